// SPDX-License-Identifier: Apache-2.0
#include "file/verify.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include "tensor/pack.h"

namespace gemma {
namespace {

constexpr int64_t kPieceBytes = int64_t{4} << 20;  // read at once
constexpr int64_t kStretch = 16 * 1024;            // values widened at once: stays in the nearest cache

struct Piece {
  size_t tensor = 0;
  int64_t first = 0;  // value
  int64_t values = 0;
};

bool holds_numbers(DType type) { return type != DType::i32 && type != DType::i64 && type != DType::u8; }

/** Whole blocks, about kPieceBytes of them. */
std::vector<Piece> pieces_of(const ModelFile& file) {
  std::vector<Piece> pieces;
  for (size_t t = 0; t < file.tensors().size(); ++t) {
    const TensorRecord& record = file.tensors()[t];
    const DTypeInfo& type = info(record.dtype);
    const int64_t values = record.bytes / type.bytes * type.block;
    const int64_t step = kPieceBytes / type.bytes * type.block;
    for (int64_t first = 0; first < values; first += step) {
      pieces.push_back({t, first, std::min(step, values - first)});
    }
  }
  return pieces;
}

/** NaN and infinity are the values whose exponent is all ones. No branch, so that it runs at the memory's speed. */
bool all_finite(std::span<const float> values) {
  uint32_t bad = 0;
  for (const float v : values) bad |= (std::bit_cast<uint32_t>(v) & 0x7f800000u) == 0x7f800000u;
  return bad == 0;
}

/** Values that came out of quantized blocks are finite exactly when the scales of their block are: the whole numbers
 *  they multiply are finite, and zero times infinity is NaN. */
void count_bad(std::span<const float> values, int block, int64_t first, BadValues& found) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    if (found.nan + found.infinite + found.blocks == 0) found.first = first + static_cast<int64_t>(i);
    if (block > 1) {
      ++found.blocks;
      i = (i / static_cast<size_t>(block) + 1) * static_cast<size_t>(block) - 1;  // on to the next block
    } else {
      ++(std::isnan(values[i]) ? found.nan : found.infinite);
    }
  }
}

std::optional<BadValues> check(const ModelFile& file, const Piece& piece) {
  const TensorRecord& record = file.tensors()[piece.tensor];
  const DTypeInfo& type = info(record.dtype);
  std::vector<std::byte> bytes(static_cast<size_t>(bytes_of(record.dtype, piece.values)));
  file.source(record.source).read(record.offset + bytes_of(record.dtype, piece.first), bytes);
  if (!holds_numbers(record.dtype)) return std::nullopt;
  BadValues found{record.name, record.dtype, 0, 0, 0, 0};
  std::vector<float> wide(static_cast<size_t>(std::min(kStretch, piece.values)));
  for (int64_t at = 0; at < piece.values; at += kStretch) {
    const int64_t n = std::min(kStretch, piece.values - at);
    const std::span<float> out = std::span(wide).first(static_cast<size_t>(n));
    unpack(record.dtype,
           std::span(bytes).subspan(static_cast<size_t>(bytes_of(record.dtype, at)),
                                    static_cast<size_t>(bytes_of(record.dtype, n))),
           out);
    if (!all_finite(out)) count_bad(out, type.block, piece.first + at, found);
  }
  if (found.nan + found.infinite + found.blocks == 0) return std::nullopt;
  return found;
}

}  // namespace

std::vector<BadValues> verify(const ModelFile& file, ThreadPool& pool, const std::function<void(int64_t)>& progress) {
  const std::vector<Piece> pieces = pieces_of(file);
  std::vector<std::optional<BadValues>> results(pieces.size());
  pool.parallel_claim(static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Piece& piece = pieces[static_cast<size_t>(i)];
      results[static_cast<size_t>(i)] = check(file, piece);
      if (progress) progress(bytes_of(file.tensors()[piece.tensor].dtype, piece.values));
    }
  });
  std::vector<BadValues> bad;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (!results[i]) continue;
    if (bad.empty() || bad.back().tensor != results[i]->tensor) {
      bad.push_back(std::move(*results[i]));
      continue;
    }
    bad.back().nan += results[i]->nan;
    bad.back().infinite += results[i]->infinite;
    bad.back().blocks += results[i]->blocks;
  }
  return bad;
}

}  // namespace gemma
