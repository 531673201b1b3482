// SPDX-License-Identifier: Apache-2.0
#include "cpu/packed_weights.h"

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "tensor/blocks.h"
#include "tensor/half.h"

namespace gemma::cpu {
namespace {

using Words = uint64_t[4];  // the 32 codes of a block, or its parts: eight words of four bytes, two in each

template <class Word = uint64_t>
Word load(const void* p) {
  Word w;
  std::memcpy(&w, p, sizeof w);
  return w;
}

constexpr uint64_t each_byte(uint8_t byte) { return 0x0101010101010101u * byte; }

/** One row's share of a block: where its bytes go. */
struct Place {
  std::byte* block;
  int row;
  void put(int offset, int vector, uint32_t w) const {  // vector j of the row's half, from `offset` on
    std::memcpy(block + offset + 64 * vector + row % 16 * 4, &w, sizeof w);
  }
  void put_two(int offset, int vector, uint64_t words) const {
    put(offset, vector, static_cast<uint32_t>(words));
    put(offset, vector + 1, static_cast<uint32_t>(words >> 32));
  }
  void put_half(int offset, uint16_t bits) const { std::memcpy(block + offset + 2 * row, &bits, sizeof bits); }
  void put_byte(int offset, int byte) const { block[offset + row] = static_cast<std::byte>(byte); }
};

template <DType type>
void put_nibbles(const Place& at, const void* sixteen_bytes) {
  const int half = at.row / 16 * PackedBlock<type>::kHalf;
  for (int j = 0; j < 2; ++j) at.put_two(half, 2 * j, load(static_cast<const uint8_t*>(sixteen_bytes) + 8 * j));
}

/** Codes of four bits as low and high nibbles; codes[j] holds values 8j .. 8j + 7. */
template <DType type>
void put_codes(const Place& at, const Words& codes) {
  const int half = at.row / 16 * PackedBlock<type>::kHalf;
  constexpr uint64_t kLow = each_byte(0x0f);
  for (int j = 0; j < 2; ++j) at.put_two(half, 2 * j, (codes[j] & kLow) | (codes[2 + j] & kLow) << 4);
}

/** bits[j]: a bit (the lowest) for each of the values 8j .. 8j + 7. */
template <DType type>
void put_fifth_bits(const Place& at, const Words& bits) {
  uint64_t all = 0;  // of even words, and of odd ones
  for (int j = 0; j < 4; ++j) all |= (bits[j] & each_byte(1)) << (2 * j);
  at.put(PackedBlock<type>::kHigh + at.row / 16 * PackedBlock<type>::kHighHalf, 0,
         static_cast<uint32_t>(all | all >> 32 << 1));
}

/** Bits of a word as the lowest bits of bytes. */
void spread_bits(uint32_t bits, Words& words) {
  const auto four = [&](int j) { return uint64_t{((bits >> (4 * j) & 15u) * 0x00204081u) & 0x01010101u}; };
  for (int j = 0; j < 4; ++j) words[j] = four(2 * j) | four(2 * j + 1) << 32;
}

void take_scales(const uint8_t* s, int group, int* scale, int* minimum) {  // q4_k and q5_k (blocks.h)
  *scale = group < 4 ? s[group] & 63 : (s[group + 4] & 15) | s[group - 4] >> 6 << 4;
  *minimum = group < 4 ? s[group + 4] & 63 : s[group + 4] >> 4 | s[group] >> 6 << 4;
}

/** 32 bytes, moved right by `shift` bits; what comes from a neighbour is above what a byte's own bits leave. */
void take_words(const uint8_t* bytes, int shift, Words& words) {
  for (int j = 0; j < 4; ++j) words[j] = load(bytes + 8 * j) >> shift;
}

/** pack<type>(block of the file, place in the unit): what a file's block becomes. The place's block is the header for
 *  types of super-blocks. */
template <DType type>
struct Packer;

template <>
struct Packer<DType::q8_0> {
  using Block = BlockQ8_0;
  static void pack(const Block& b, const Place& at) {
    using P = PackedBlock<DType::q8_0>;
    for (int j = 0; j < 4; ++j) at.put_two(at.row / 16 * P::kHalf, 2 * j, load(b.qs + 8 * j) ^ each_byte(0x80));
    at.put_half(P::kScales, b.d);
  }
};

/** q4_0, q4_1, q5_0, q5_1, iq4_nl: nibbles as they are. */
template <DType type, class FileBlock>
struct SmallPacker {
  using Block = FileBlock;
  static void pack(const Block& b, const Place& at) {
    using P = PackedBlock<type>;
    put_nibbles<type>(at, b.qs);
    if constexpr (P::kFormat.bits == 5) {
      Words bits;
      spread_bits(load<uint32_t>(b.qh), bits);
      put_fifth_bits<type>(at, bits);
    }
    at.put_half(P::kScales, b.d);
    if constexpr (P::kFormat.minimum) at.put_half(P::kMinima, b.m);
  }
};
template <>
struct Packer<DType::q4_0> : SmallPacker<DType::q4_0, BlockQ4_0> {};
template <>
struct Packer<DType::q4_1> : SmallPacker<DType::q4_1, BlockQ4_1> {};
template <>
struct Packer<DType::q5_0> : SmallPacker<DType::q5_0, BlockQ5_0> {};
template <>
struct Packer<DType::q5_1> : SmallPacker<DType::q5_1, BlockQ5_1> {};
template <>
struct Packer<DType::iq4_nl> : SmallPacker<DType::iq4_nl, BlockIq4Nl> {};

/** The block after the header that holds group g of 32 values. */
template <DType type>
Place group_place(const Place& at, int g) {
  return {at.block + PackedBlock<type>::kHeader + g * PackedBlock<type>::kBytes, at.row};
}

/** q4_k and q5_k. */
template <DType type, class FileBlock>
struct SuperPacker {
  using Block = FileBlock;
  static void pack(const Block& b, const Place& at) {
    using P = PackedBlock<type>;
    at.put_half(0, b.d);
    at.put_half(64, b.dmin);
    for (int g = 0; g < 8; ++g) {
      const Place group = group_place<type>(at, g);
      Words codes;
      take_words(b.qs + 32 * (g / 2), 4 * (g % 2), codes);
      put_codes<type>(group, codes);
      if constexpr (P::kFormat.bits == 5) {
        take_words(b.qh, g, codes);
        put_fifth_bits<type>(group, codes);
      }
      int scale, minimum;
      take_scales(b.scales, g, &scale, &minimum);
      group.put_byte(P::kScales, scale);
      group.put_byte(P::kMinima, minimum);
    }
  }
};
template <>
struct Packer<DType::q4_k> : SuperPacker<DType::q4_k, BlockQ4K> {};
template <>
struct Packer<DType::q5_k> : SuperPacker<DType::q5_k, BlockQ5K> {};

template <>
struct Packer<DType::q6_k> {
  using Block = BlockQ6K;
  static void pack(const Block& b, const Place& at) {
    using P = PackedBlock<DType::q6_k>;
    at.put_half(0, b.d);
    for (int g = 0; g < 8; ++g) {
      const Place group = group_place<DType::q6_k>(at, g);
      const int half = g / 4, j = g % 4;
      Words codes;
      take_words(b.ql + 64 * half + 32 * (j % 2), j < 2 ? 0 : 4, codes);
      put_codes<DType::q6_k>(group, codes);
      take_words(b.qh + 32 * half, 2 * j, codes);
      const int high = P::kHigh + at.row / 16 * P::kHighHalf;
      for (int part = 0; part < 2; ++part) {
        constexpr uint64_t kLow = each_byte(3);
        const uint64_t bits = (codes[2 * part] & kLow) | (codes[2 * part + 1] & kLow) << 4;
        group.put(high, part, static_cast<uint32_t>(bits | bits >> 32 << 2));
      }
      for (int i = 0; i < 2; ++i) group.put_byte(P::kScales + kPanelRows * i, b.scales[2 * g + i]);
    }
  }
};

template <>
struct Packer<DType::q2_k> {
  using Block = BlockQ2K;
  static void pack(const Block& b, const Place& at) {
    using P = PackedBlock<DType::q2_k>;
    at.put_half(0, b.d);
    at.put_half(64, b.dmin);
    for (int g = 0; g < 8; ++g) {
      const Place group = group_place<DType::q2_k>(at, g);
      Words codes;
      take_words(b.qs + 32 * (g / 4), 2 * (g % 4), codes);
      for (uint64_t& w : codes) w &= each_byte(3);
      put_codes<DType::q2_k>(group, codes);
      for (int i = 0; i < 2; ++i) {
        group.put_byte(P::kScales + kPanelRows * i, b.scales[2 * g + i] & 15);
        group.put_byte(P::kMinima + kPanelRows * i, b.scales[2 * g + i] >> 4);
      }
    }
  }
};

template <>
struct Packer<DType::q3_k> {
  using Block = BlockQ3K;
  static void pack(const Block& b, const Place& at) {
    using P = PackedBlock<DType::q3_k>;
    at.put_half(0, b.d);
    for (int g = 0; g < 8; ++g) {
      const Place group = group_place<DType::q3_k>(at, g);
      Words codes, high;
      take_words(b.qs + 32 * (g / 4), 2 * (g % 4), codes);
      take_words(b.hmask, g, high);
      for (int j = 0; j < 4; ++j) codes[j] = (codes[j] & each_byte(3)) | (high[j] & each_byte(1)) << 2;
      put_codes<DType::q3_k>(group, codes);
      for (int i = 0; i < 2; ++i) {
        const int k = 2 * g + i;
        const int low = b.scales[k % 8] >> (k < 8 ? 0 : 4) & 15, top = b.scales[8 + k % 4] >> (k / 4 * 2) & 3;
        group.put_byte(P::kScales + kPanelRows * i, (low | top << 4) - 32);
      }
    }
  }
};

template <>
struct Packer<DType::iq4_xs> {
  using Block = BlockIq4Xs;
  static void pack(const Block& b, const Place& at) {
    using P = PackedBlock<DType::iq4_xs>;
    at.put_half(0, b.d);
    for (int g = 0; g < 8; ++g) {
      const Place group = group_place<DType::iq4_xs>(at, g);
      put_nibbles<DType::iq4_xs>(group, b.qs + 16 * g);
      const int low = b.scales_l[g / 2] >> (4 * (g % 2)) & 15, top = b.scales_h >> (2 * g) & 3;
      group.put_byte(P::kScales, (low | top << 4) - 32);
    }
  }
};

template <DType type>
void pack_blocks(const std::byte* rows, int64_t height, int64_t n, std::byte* panel) {
  using Block = typename Packer<type>::Block;
  using P = PackedBlock<type>;
  const auto* blocks = reinterpret_cast<const Block*>(rows);  // packed: any alignment
  const int64_t units = n / (P::kBlocks * kBlock);
  for (int64_t u = 0; u < units; ++u) {
    for (int row = 0; row < static_cast<int>(height); ++row) {
      Packer<type>::pack(blocks[row * units + u], {panel + u * P::kUnit, row});
    }
  }
}

/** The codes of a row. */
template <DType type>
void codes_of(const std::byte* block, int row, int (&codes)[kBlock]) {
  using P = PackedBlock<type>;
  const int half = row / 16 * P::kHalf, high = P::kHigh + row / 16 * P::kHighHalf;
  const auto word = [&](int offset, int vector) { return load<uint32_t>(block + offset + 64 * vector + row % 16 * 4); };
  for (int j = 0; j < (P::kFormat.bits == 8 ? 8 : 4); ++j) {
    const uint32_t w = word(half, j);
    for (int b = 0; b < 4; ++b) {
      const auto byte = static_cast<int>(w >> (8 * b) & 255);
      codes[4 * j + b] = P::kFormat.bits == 8 ? byte : byte & 15;
      if constexpr (P::kFormat.bits != 8) codes[16 + 4 * j + b] = byte >> 4;
    }
  }
  for (int i = 0; i < kBlock; ++i) {
    const int byte = 8 * (i % 4), j = i % 16 / 4;
    if constexpr (P::kFormat.bits == 5) codes[i] |= static_cast<int>(word(high, 0) >> (byte + i / 4) & 1) << 4;
    if constexpr (P::kFormat.bits == 6) codes[i] |= static_cast<int>(word(high, i / 16) >> (byte + 2 * j) & 3) << 4;
    if constexpr (P::kFormat.codebook) codes[i] = kCodebookBytes[static_cast<size_t>(codes[i])];
  }
}

float half_at(const std::byte* p) {
  uint16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return half::from_f16(bits);
}

template <DType type>
void unpack_block(const std::byte* header, const std::byte* block, int row, float* out) {
  using P = PackedBlock<type>;
  constexpr int kGroup = kBlock / P::kFormat.groups;  // values that share a scale
  int codes[kBlock];
  codes_of<type>(block, row, codes);
  for (int group = 0; group < P::kFormat.groups; ++group) {
    float scale, minimum = 0;
    if constexpr (P::kFormat.super) {
      const auto byte = static_cast<uint8_t>(block[P::kScales + kPanelRows * group + row]);
      // Scales of types with minima are unsigned six bits at most: one reading is right for all.
      scale = half_at(header + 2 * row) * static_cast<float>(static_cast<int8_t>(byte));
      if constexpr (P::kFormat.minimum) {
        const auto least = static_cast<uint8_t>(block[P::kMinima + kPanelRows * group + row]);
        minimum = -(half_at(header + 64 + 2 * row) * static_cast<float>(least));
      }
    } else {
      scale = half_at(block + P::kScales + 2 * row);
      if constexpr (P::kFormat.minimum) minimum = half_at(block + P::kMinima + 2 * row);
    }
    for (int i = group * kGroup; i < (group + 1) * kGroup; ++i) {
      const float value = scale * static_cast<float>(codes[i] - P::kFormat.zero);
      out[i] = P::kFormat.minimum ? value + minimum : value;
    }
  }
}

template <DType type>
void unpack_blocks(const std::byte* panel, int row, std::span<float> out) {
  using P = PackedBlock<type>;
  constexpr int kValues = P::kBlocks * kBlock;
  for (size_t i = 0; i < out.size(); i += kBlock) {
    const auto unit = static_cast<int64_t>(i) / kValues, b = static_cast<int64_t>(i) % kValues / kBlock;
    const std::byte* header = panel + unit * P::kUnit;
    unpack_block<type>(header, header + P::kHeader + b * P::kBytes, row, out.data() + i);
  }
}

void pack_bf16(const std::byte* rows, int64_t height, int64_t n, std::byte* panel) {
  for (int64_t row = 0; row < height; ++row) {
    const std::byte* from = rows + row * n * 2;
    std::byte* to = panel + row * 4;
    for (int64_t i = 0; i + 1 < n; i += 2, to += kPanelRows * 4) std::memcpy(to, from + 2 * i, 4);
    if (n % 2 == 1) std::memcpy(to, from + 2 * (n - 1), 2);
  }
}

void unpack_bf16(const std::byte* panel, int row, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, panel + (i / 2 * kPanelRows + static_cast<size_t>(row)) * 4 + i % 2 * 2, sizeof bits);
    out[i] = half::from_bf16(bits);
  }
}

struct Functions {
  int values, bytes;  // of a unit: values along k, bytes of a panel
  void (*pack)(const std::byte* rows, int64_t height, int64_t n, std::byte* panel);
  void (*unpack)(const std::byte* panel, int row, std::span<float> out);
};

template <DType type>
constexpr Functions of() {
  using P = PackedBlock<type>;
  return {P::kBlocks * kBlock, P::kUnit, pack_blocks<type>, unpack_blocks<type>};
}

constexpr std::array<Functions, kDTypes> make_functions() {
  std::array<Functions, kDTypes> f{};
  const auto set = [&]<DType... types>() { ((f[static_cast<size_t>(types)] = of<types>()), ...); };
  set.template operator()<DType::q8_0, DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q2_k, DType::q3_k,
                          DType::q4_k, DType::q5_k, DType::q6_k, DType::iq4_nl, DType::iq4_xs>();
  f[static_cast<size_t>(DType::bf16)] = {2, kPanelRows * 4, pack_bf16, unpack_bf16};
  return f;
}

constexpr std::array<Functions, kDTypes> kFunctions = make_functions();

const Functions& functions(DType type) {
  const Functions& f = kFunctions[static_cast<size_t>(type)];
  GEMMA_CHECK(f.pack != nullptr, "a type that is packed");
  return f;
}

}  // namespace

bool is_packable(DType type) { return kFunctions[static_cast<size_t>(type)].pack != nullptr; }

int64_t panel_bytes(DType type, int64_t n) {
  const Functions& f = functions(type);
  return (n + f.values - 1) / f.values * f.bytes;
}

void pack_panel(DType type, std::span<const std::byte> rows, int64_t height, int64_t n, std::span<std::byte> panel) {
  GEMMA_CHECK(height > 0 && height <= kPanelRows && static_cast<int64_t>(rows.size()) == height * bytes_of(type, n),
              "up to 32 whole rows");
  GEMMA_CHECK(static_cast<int64_t>(panel.size()) == panel_bytes(type, n), "room for a panel");
  if (height < kPanelRows || n % functions(type).values != 0) std::memset(panel.data(), 0, panel.size());
  functions(type).pack(rows.data(), height, n, panel.data());
}

void unpack_panel_row(DType type, const std::byte* panel, int row, std::span<float> out) {
  functions(type).unpack(panel, row, out);
}

}  // namespace gemma::cpu
