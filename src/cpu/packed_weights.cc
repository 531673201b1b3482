// SPDX-License-Identifier: Apache-2.0
#include "cpu/packed_weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "tensor/blocks.h"
#include "tensor/half.h"

namespace gemma::cpu {
namespace {

constexpr int kRowsTogether = 4;  // are packed at once: neighbours in a panel, where a store is of four rows' words

/** The same eight bytes of each of the four rows, in vectors that every processor has. */
struct Lanes {
  using Two = uint64_t __attribute__((vector_size(16)));
  Two first, second;
  friend Lanes operator&(const Lanes& x, uint64_t mask) { return {x.first & mask, x.second & mask}; }
  friend Lanes operator^(const Lanes& x, uint64_t mask) { return {x.first ^ mask, x.second ^ mask}; }
  friend Lanes operator|(const Lanes& x, const Lanes& y) { return {x.first | y.first, x.second | y.second}; }
  friend Lanes operator<<(const Lanes& x, int bits) { return {x.first << bits, x.second << bits}; }
  friend Lanes operator>>(const Lanes& x, int bits) { return {x.first >> bits, x.second >> bits}; }
};
using Words = Lanes[4];  // the 32 codes of a block, or its parts: eight words of four bytes, two in each

template <class Word = uint64_t>
Word load(const void* p) {
  Word w;
  std::memcpy(&w, p, sizeof w);
  return w;
}

constexpr uint64_t each_byte(uint8_t byte) { return 0x0101010101010101u * byte; }

/** Blocks of the four rows that lie at one place along k. */
template <class Block>
struct Rows {
  const Block* first;
  int64_t step;  // from row to row, in blocks
  const Block& operator[](int row) const { return first[row * step]; }
};

/** The four rows' share of a block: where their bytes go. */
struct Place {
  std::byte* block;
  int row;  // the first, a multiple of four
  /** Vector j of the rows' half, from `offset` on: the low words, or the high ones. */
  void put(int offset, int vector, const Lanes& words, bool high = false) const {
    using Four = uint32_t __attribute__((vector_size(16)));
    const auto a = std::bit_cast<Four>(words.first), b = std::bit_cast<Four>(words.second);
    const Four some = high ? __builtin_shufflevector(a, b, 1, 3, 5, 7) : __builtin_shufflevector(a, b, 0, 2, 4, 6);
    std::memcpy(block + offset + 64 * vector + row % 16 * 4, &some, sizeof some);
  }
  void put_two(int offset, int vector, const Lanes& words) const {
    put(offset, vector, words);
    put(offset, vector + 1, words, true);
  }
  void put_halves(int offset, const auto& bits_of) const {
    uint64_t four = 0;
    for (int r = 0; r < kRowsTogether; ++r) four |= uint64_t{bits_of(r)} << (16 * r);
    std::memcpy(block + offset + 2 * row, &four, sizeof four);
  }
  void put_bytes(int offset, const auto& byte_of) const {
    uint32_t four = 0;
    for (int r = 0; r < kRowsTogether; ++r) four |= uint32_t{static_cast<uint8_t>(byte_of(r))} << (8 * r);
    std::memcpy(block + offset + row, &four, sizeof four);
  }
};

Lanes lanes_of(const auto& word_of) { return {Lanes::Two{word_of(0), word_of(1)}, Lanes::Two{word_of(2), word_of(3)}}; }

/** words[j] = bytes 8j .. 8j + 7 of where `at(row)` points. */
template <int n>
void take(const auto& at, Lanes (&words)[n]) {
  for (int j = 0; j < n; ++j)
    words[j] = Lanes{load(at(0) + 8 * j), load(at(1) + 8 * j), load(at(2) + 8 * j), load(at(3) + 8 * j)};
}

/** 32 bytes, moved right by `shift` bits; what comes from a neighbour is above what a byte's own bits leave. */
void take_words(const auto& at, int shift, Words& words) {
  take(at, words);
  for (Lanes& w : words) w = w >> shift;
}

template <DType type>
void put_nibbles(const Place& at, const auto& sixteen_bytes) {
  const int half = at.row / 16 * PackedBlock<type>::kHalf;
  Lanes words[2];
  take(sixteen_bytes, words);
  for (int j = 0; j < 2; ++j) at.put_two(half, 2 * j, words[j]);
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
  Lanes all{};  // of even words, and of odd ones
  for (int j = 0; j < 4; ++j) all = all | (bits[j] & each_byte(1)) << (2 * j);
  at.put(PackedBlock<type>::kHigh + at.row / 16 * PackedBlock<type>::kHighHalf, 0, all | all >> 32 << 1);
}

/** Eight bits as the lowest bits of bytes. */
uint64_t spread_bits(uint32_t bits) {
  const auto four = [](uint32_t low) { return uint64_t{low * 0x00204081u & 0x01010101u}; };
  return four(bits & 15) | four(bits >> 4 & 15) << 32;
}

/** Of q4_k and q5_k (blocks.h): byte g is that of group g. */
struct GroupScales {
  uint64_t scales, minima;
  explicit GroupScales(const uint8_t* bytes) {
    const auto first = load<uint32_t>(bytes), second = load<uint32_t>(bytes + 4), third = load<uint32_t>(bytes + 8);
    const auto top = [](uint32_t w) { return w >> 2 & 0x30303030u; };
    scales = uint64_t{(third & 0x0f0f0f0fu) | top(first)} << 32 | (first & 0x3f3f3f3fu);
    minima = uint64_t{(third >> 4 & 0x0f0f0f0fu) | top(second)} << 32 | (second & 0x3f3f3f3fu);
  }
};

/** pack<type>(blocks of the file, place in the unit): what a file's blocks become. The place's block is the header for
 *  types of super-blocks. */
template <DType type>
struct Packer;

template <>
struct Packer<DType::q8_0> {
  using Block = BlockQ8_0;
  static void pack(const Rows<Block>& b, const Place& at) {
    using P = PackedBlock<DType::q8_0>;
    Words codes;
    take([&](int r) { return b[r].qs; }, codes);
    for (int j = 0; j < 4; ++j) at.put_two(at.row / 16 * P::kHalf, 2 * j, codes[j] ^ each_byte(0x80));
    at.put_halves(P::kScales, [&](int r) { return b[r].d; });
  }
};

/** q4_0, q4_1, q5_0, q5_1, iq4_nl: nibbles as they are. */
template <DType type, class FileBlock>
struct SmallPacker {
  using Block = FileBlock;
  static void pack(const Rows<Block>& b, const Place& at) {
    using P = PackedBlock<type>;
    put_nibbles<type>(at, [&](int r) { return b[r].qs; });
    if constexpr (P::kFormat.bits == 5) {
      Words bits;
      for (int j = 0; j < 4; ++j) bits[j] = lanes_of([&](int r) { return spread_bits(b[r].qh[j]); });
      put_fifth_bits<type>(at, bits);
    }
    at.put_halves(P::kScales, [&](int r) { return b[r].d; });
    if constexpr (P::kFormat.minimum) at.put_halves(P::kMinima, [&](int r) { return b[r].m; });
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
  static void pack(const Rows<Block>& b, const Place& at) {
    using P = PackedBlock<type>;
    at.put_halves(0, [&](int r) { return b[r].d; });
    at.put_halves(64, [&](int r) { return b[r].dmin; });
    const GroupScales scales[] = {GroupScales(b[0].scales), GroupScales(b[1].scales), GroupScales(b[2].scales),
                                  GroupScales(b[3].scales)};
    for (int g = 0; g < 8; ++g) {
      const Place group = group_place<type>(at, g);
      Words codes;
      take_words([&](int r) { return b[r].qs + 32 * (g / 2); }, 4 * (g % 2), codes);
      put_codes<type>(group, codes);
      if constexpr (P::kFormat.bits == 5) {
        take_words([&](int r) { return b[r].qh; }, g, codes);
        put_fifth_bits<type>(group, codes);
      }
      group.put_bytes(P::kScales, [&](int r) { return scales[r].scales >> (8 * g); });
      group.put_bytes(P::kMinima, [&](int r) { return scales[r].minima >> (8 * g); });
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
  static void pack(const Rows<Block>& b, const Place& at) {
    using P = PackedBlock<DType::q6_k>;
    at.put_halves(0, [&](int r) { return b[r].d; });
    for (int g = 0; g < 8; ++g) {
      const Place group = group_place<DType::q6_k>(at, g);
      const int half = g / 4, j = g % 4;
      Words codes;
      take_words([&](int r) { return b[r].ql + 64 * half + 32 * (j % 2); }, j < 2 ? 0 : 4, codes);
      put_codes<DType::q6_k>(group, codes);
      take_words([&](int r) { return b[r].qh + 32 * half; }, 2 * j, codes);
      const int high = P::kHigh + at.row / 16 * P::kHighHalf;
      for (int part = 0; part < 2; ++part) {
        constexpr uint64_t kLow = each_byte(3);
        const Lanes bits = (codes[2 * part] & kLow) | (codes[2 * part + 1] & kLow) << 4;
        group.put(high, part, bits | bits >> 32 << 2);
      }
      for (int i = 0; i < 2; ++i) {
        group.put_bytes(P::kScales + kPanelRows * i, [&](int r) { return b[r].scales[2 * g + i]; });
      }
    }
  }
};

template <>
struct Packer<DType::q2_k> {
  using Block = BlockQ2K;
  static void pack(const Rows<Block>& b, const Place& at) {
    using P = PackedBlock<DType::q2_k>;
    at.put_halves(0, [&](int r) { return b[r].d; });
    at.put_halves(64, [&](int r) { return b[r].dmin; });
    for (int g = 0; g < 8; ++g) {
      const Place group = group_place<DType::q2_k>(at, g);
      Words codes;
      take_words([&](int r) { return b[r].qs + 32 * (g / 4); }, 2 * (g % 4), codes);
      for (Lanes& w : codes) w = w & each_byte(3);
      put_codes<DType::q2_k>(group, codes);
      for (int i = 0; i < 2; ++i) {
        group.put_bytes(P::kScales + kPanelRows * i, [&](int r) { return b[r].scales[2 * g + i] & 15; });
        group.put_bytes(P::kMinima + kPanelRows * i, [&](int r) { return b[r].scales[2 * g + i] >> 4; });
      }
    }
  }
};

template <>
struct Packer<DType::q3_k> {
  using Block = BlockQ3K;
  static void pack(const Rows<Block>& b, const Place& at) {
    using P = PackedBlock<DType::q3_k>;
    at.put_halves(0, [&](int r) { return b[r].d; });
    for (int g = 0; g < 8; ++g) {
      const Place group = group_place<DType::q3_k>(at, g);
      Words codes, high;
      take_words([&](int r) { return b[r].qs + 32 * (g / 4); }, 2 * (g % 4), codes);
      take_words([&](int r) { return b[r].hmask; }, g, high);
      for (int j = 0; j < 4; ++j) codes[j] = (codes[j] & each_byte(3)) | (high[j] & each_byte(1)) << 2;
      put_codes<DType::q3_k>(group, codes);
      for (int i = 0; i < 2; ++i) {
        group.put_bytes(P::kScales + kPanelRows * i, [&](int r) { return scale_of(b[r].scales, 2 * g + i); });
      }
    }
  }
  static int scale_of(const uint8_t* s, int group) {
    const int low = s[group % 8] >> (group < 8 ? 0 : 4) & 15, top = s[8 + group % 4] >> (group / 4 * 2) & 3;
    return (low | top << 4) - 32;
  }
};

template <>
struct Packer<DType::iq4_xs> {
  using Block = BlockIq4Xs;
  static void pack(const Rows<Block>& b, const Place& at) {
    using P = PackedBlock<DType::iq4_xs>;
    at.put_halves(0, [&](int r) { return b[r].d; });
    for (int g = 0; g < 8; ++g) {
      const Place group = group_place<DType::iq4_xs>(at, g);
      put_nibbles<DType::iq4_xs>(group, [&](int r) { return b[r].qs + 16 * g; });
      group.put_bytes(P::kScales, [&](int r) {
        const int low = b[r].scales_l[g / 2] >> (4 * (g % 2)) & 15, top = b[r].scales_h >> (2 * g) & 3;
        return (low | top << 4) - 32;
      });
    }
  }
};

template <DType type>
void pack_blocks(const std::byte* rows, int64_t height, int64_t n, std::byte* panel) {
  using Block = typename Packer<type>::Block;
  using P = PackedBlock<type>;
  const auto* blocks = reinterpret_cast<const Block*>(rows);  // packed: any alignment
  const int64_t units = n / (P::kBlocks * kBlock), whole = height / kRowsTogether * kRowsTogether;
  for (int64_t u = 0; u < units; ++u) {
    std::byte* unit = panel + u * P::kUnit;
    for (int64_t row = 0; row < whole; row += kRowsTogether) {
      Packer<type>::pack({blocks + row * units + u, units}, {unit, static_cast<int>(row)});
    }
    if (whole == height) continue;
    Block last[kRowsTogether] = {};  // with rows that are missing
    for (int64_t row = whole; row < height; ++row) last[row - whole] = blocks[row * units + u];
    Packer<type>::pack({last, 1}, {unit, static_cast<int>(whole)});
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
  constexpr int kPair = 4, kPairs = kPanelRows * kPair;  // bytes of two values of a row, and of all rows
  constexpr int kLine = 8;                               // times four values
  const int64_t whole = height / kRowsTogether * kRowsTogether, fours = n / 4;
  // A cache line of a row at a time: lines of 32 rows may have one place in the first cache, which holds eight such.
  for (int64_t line = 0; line < fours; line += kLine) {
    for (int64_t row = 0; row < whole; row += kRowsTogether) {
      for (int64_t i = line; i < std::min(fours, line + kLine); ++i) {
        const Lanes words = lanes_of([&](int r) { return load(rows + ((row + r) * n + 4 * i) * 2); });
        const Place at{panel + 2 * i * kPairs + row / 16 * 64, static_cast<int>(row)};
        at.put(0, 0, words);
        at.put(kPairs, 0, words, true);
      }
    }
  }
  for (int64_t row = 0; row < height; ++row) {  // and what is left at the ends
    const std::byte* from = rows + row * n * 2;
    for (int64_t i = row < whole ? 4 * fours : 0; i < n; i += 2) {
      std::memcpy(panel + i / 2 * kPairs + row * kPair, from + 2 * i, i + 1 < n ? kPair : kPair / 2);
    }
  }
}

void unpack_bf16(const std::byte* panel, int row, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, panel + (i / 2 * kPanelRows + static_cast<size_t>(row)) * 4 + i % 2 * 2, sizeof bits);
    out[i] = half::from_bf16(bits);
  }
}

void pack_f16(const std::byte* rows, int64_t height, int64_t n, std::byte* panel) {
  constexpr int64_t kLine = 32;  // values of a cache line of a row
  for (int64_t line = 0; line < n; line += kLine) {
    for (int64_t row = 0; row < height; ++row) {
      for (int64_t i = line; i < std::min(n, line + kLine); ++i) {
        std::memcpy(panel + (i * kPanelRows + row) * 2, rows + (row * n + i) * 2, 2);
      }
    }
  }
}

void unpack_f16(const std::byte* panel, int row, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) out[i] = half_at(panel + (i * kPanelRows + static_cast<size_t>(row)) * 2);
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
  f[static_cast<size_t>(DType::f16)] = {1, kPanelRows * 2, pack_f16, unpack_f16};
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
