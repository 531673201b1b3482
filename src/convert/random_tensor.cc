// SPDX-License-Identifier: Apache-2.0
#include "convert/random_tensor.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/random.h"
#include "tensor/blocks.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

constexpr int kBlocksPerUnit = 8;    // so many blocks of any type are whole words
constexpr int kTable = 256;          // one random byte chooses a value
constexpr uint16_t kScaleSteps = 7;  // scales differ by up to so many of f16's last place

/** Where a block keeps its f16 scale and minimum, and what the minimum is in scales: the middle of its codes. */
struct ScaleFields {
  int scale = -1, minimum = -1;
  float minimum_in_scales = 0;
};

ScaleFields scale_fields(DType type) {
  switch (type) {
    case DType::q8_0:
      return {offsetof(BlockQ8_0, d)};
    case DType::q4_0:
      return {offsetof(BlockQ4_0, d)};
    case DType::q4_1:
      return {offsetof(BlockQ4_1, d), offsetof(BlockQ4_1, m), -7.5f};
    case DType::q5_0:
      return {offsetof(BlockQ5_0, d)};
    case DType::q5_1:
      return {offsetof(BlockQ5_1, d), offsetof(BlockQ5_1, m), -15.5f};
    case DType::q4_k:
      return {offsetof(BlockQ4K, d), offsetof(BlockQ4K, dmin), 7.5f};
    case DType::q5_k:
      return {offsetof(BlockQ5K, d), offsetof(BlockQ5K, dmin), 15.5f};
    case DType::q6_k:
      return {offsetof(BlockQ6K, d)};
    default:
      return {};
  }
}

/** Bell-shaped, of mean 0 and root mean square 1: quantiles of the logistic distribution. */
std::array<float, kTable> bell() {
  std::array<double, kTable> values{};
  double squares = 0;
  for (int i = 0; i < kTable; ++i) {
    const double p = (i + 0.5) / kTable;
    values[static_cast<size_t>(i)] = std::log(p / (1 - p));
    squares += values[static_cast<size_t>(i)] * values[static_cast<size_t>(i)];
  }
  std::array<float, kTable> out{};
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(values[i] / std::sqrt(squares / kTable));
  return out;
}

uint32_t bits_as(DType type, float value) {
  switch (type) {
    case DType::bf16:
      return f32_to_bf16(value);
    case DType::f16:
      return f32_to_f16(value);
    default:
      return std::bit_cast<uint32_t>(value);
  }
}

double root_mean_square(DType type, std::span<const std::byte> blocks) {
  std::vector<float> values(blocks.size() / static_cast<size_t>(info(type).bytes) *
                            static_cast<size_t>(info(type).block));
  unpack(type, blocks, values);
  double squares = 0;
  for (const float v : values) squares += double{v} * v;
  return std::sqrt(squares / static_cast<double>(values.size()));
}

}  // namespace

bool RandomTensor::can_make(DType dtype) {
  return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f16 || scale_fields(dtype).scale >= 0;
}

RandomTensor::RandomTensor(uint64_t seed, uint64_t index, DType dtype, float centre, float spread)
    : seed_(seed), index_(index), dtype_(dtype), unit_(int64_t{kBlocksPerUnit} * info(dtype).bytes) {
  GEMMA_CHECK(can_make(dtype), "a type of which random blocks are known");
  if (!is_quantized(dtype)) {
    table_.reserve(kTable);
    for (const float v : bell()) table_.push_back(bits_as(dtype, centre + spread * v));
    return;
  }
  GEMMA_CHECK(centre == 0, "quantized values lie around zero");
  // How large values are with a scale of 1 is measured; the minimum goes with the scale.
  constexpr int kUnits = 16;
  const float ratio = scale_fields(dtype).minimum_in_scales;
  scale_ = f32_to_f16(1.0f);
  minimum_ = f32_to_f16(ratio);
  std::vector<std::byte> sample(static_cast<size_t>(unit_) * kUnits);
  make(0, sample);
  const float scale = spread / static_cast<float>(root_mean_square(dtype, sample));
  scale_ = f32_to_f16(scale);
  minimum_ = f32_to_f16(ratio * scale);
}

void RandomTensor::read(int64_t offset, std::span<std::byte> out) const {
  std::array<std::byte, kBlocksPerUnit * sizeof(BlockQ6K)> scratch;
  while (!out.empty()) {
    const int64_t unit = offset / unit_, within = offset % unit_;
    size_t done = out.size() - out.size() % static_cast<size_t>(unit_);
    if (within == 0 && done > 0) {
      make(unit, out.first(done));
    } else {  // a part of a unit
      const std::span<std::byte> whole = std::span(scratch).first(static_cast<size_t>(unit_));
      make(unit, whole);
      done = std::min(out.size(), static_cast<size_t>(unit_ - within));
      std::memcpy(out.data(), whole.data() + within, done);
    }
    offset += static_cast<int64_t>(done);
    out = out.subspan(done);
  }
}

/** Whole units from unit `unit` on. */
void RandomTensor::make(int64_t unit, std::span<std::byte> out) const {
  if (dtype_ == DType::f32) return look_up<uint32_t>(unit * kBlocksPerUnit / 8, out);
  if (!is_quantized(dtype_)) return look_up<uint16_t>(unit * kBlocksPerUnit / 8, out);
  const KeyedBits bits(seed_, index_);
  const auto first = static_cast<uint64_t>(unit * unit_ / 8);
  for (size_t i = 0; i < out.size() / 8; ++i) {
    const uint64_t word = bits(first + i);
    std::memcpy(out.data() + i * 8, &word, 8);
  }
  set_scales(out);
}

/** Eight values from each random word, the first from word `word`. */
template <class T>
void RandomTensor::look_up(int64_t word, std::span<std::byte> out) const {
  static_assert(kBlocksPerUnit % 8 == 0);
  const KeyedBits bits(seed_, index_);
  std::array<T, kTable> table;
  std::copy(table_.begin(), table_.end(), table.begin());
  for (size_t at = 0; at < out.size(); at += 8 * sizeof(T)) {
    uint64_t random = bits(static_cast<uint64_t>(word++));
    std::array<T, 8> values;
    for (T& v : values) {
      v = table[random & 0xff];
      random >>= 8;
    }
    std::memcpy(out.data() + at, values.data(), sizeof(values));
  }
}

/** Puts finite scales where random bits are. */
void RandomTensor::set_scales(std::span<std::byte> out) const {
  const ScaleFields fields = scale_fields(dtype_);
  const auto bytes = static_cast<size_t>(info(dtype_).bytes);
  const auto set = [](std::byte* place, uint16_t least) {
    uint16_t random;
    std::memcpy(&random, place, sizeof(random));
    const auto scale = static_cast<uint16_t>(least + (random & kScaleSteps));
    std::memcpy(place, &scale, sizeof(scale));
  };
  for (std::byte* block = out.data(); block < out.data() + out.size(); block += bytes) {
    set(block + fields.scale, scale_);
    if (fields.minimum >= 0) set(block + fields.minimum, minimum_);
  }
}

}  // namespace gemma
