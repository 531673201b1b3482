// SPDX-License-Identifier: Apache-2.0
#include "model/loader.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "config/names.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

constexpr int64_t kPartBytes = int64_t{1} << 20;  // read at once: large enough for a disk, small enough to share out

/** What linear, embed and moe of every device take. */
bool is_weight_type(DType type) {
  return type == DType::f32 || type == DType::bf16 || type == DType::f16 || is_quantized(type);
}

/** Same count and the same sizes; a scalar counts as [1] (layer_scalar is stored both ways). */
bool same_shape(const Shape& a, const Shape& b) { return a == b || (a.count() == 1 && b.count() == 1); }

}  // namespace

Loader::Loader(const ModelFile& file, const Config& config, Ops& ops, Options options)
    : file_(file), config_(config), ops_(ops), map_(file, config), options_(options) {}

void Loader::for_each(int64_t n, const std::function<void(int64_t)>& fn) const {
  const auto range = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) fn(i);
  };
  if (options_.threads == nullptr || n == 1) {
    range(0, n);
  } else {
    options_.threads->parallel_claim(n, 1, range);
  }
}

void Loader::read(const StoredTensor& stored, std::span<std::byte> out) const {
  struct Part {
    Piece rows;
    size_t at, bytes;
  };
  const int64_t row_bytes = bytes_of(stored.dtype, stored.shape.cols());
  const int64_t rows_at_once = std::max<int64_t>(1, kPartBytes / row_bytes);
  std::vector<Part> parts;
  size_t at = 0;
  for (const Piece& piece : stored.pieces) {
    for (int64_t row = 0; row < piece.rows; row += rows_at_once) {
      const int64_t n = std::min(rows_at_once, piece.rows - row);
      parts.push_back({{piece.record, piece.first_row + row, n}, at, static_cast<size_t>(n * row_bytes)});
      at += parts.back().bytes;
    }
  }
  GEMMA_CHECK(at == out.size(), "room for exactly the tensor's bytes");
  for_each(static_cast<int64_t>(parts.size()), [&](int64_t i) {
    const Part& p = parts[static_cast<size_t>(i)];
    file_.read_rows(*p.rows.record, p.rows.first_row, p.rows.rows, out.subspan(p.at, p.bytes));
  });
}

Tensor Loader::widened(const Tensor& raw) const {
  Tensor wide = Tensor::host(DType::f32, raw.shape());
  const std::span<float> out = wide.data_mutable<float>();
  const auto cols = static_cast<size_t>(raw.cols());
  const auto row_bytes = static_cast<size_t>(bytes_of(raw.dtype(), raw.cols()));
  const int64_t rows_at_once = std::max<int64_t>(1, kPartBytes / static_cast<int64_t>(row_bytes));
  for_each((raw.rows() + rows_at_once - 1) / rows_at_once, [&](int64_t part) {
    const auto first = static_cast<size_t>(part * rows_at_once);
    const auto n = static_cast<size_t>(std::min(rows_at_once, raw.rows() - part * rows_at_once));
    unpack(raw.dtype(), raw.raw().subspan(first * row_bytes, n * row_bytes), out.subspan(first * cols, n * cols));
  });
  return wide;
}

StoredTensor Loader::find(std::string_view bare, std::initializer_list<int64_t> shape) const {
  const Shape expected(shape);
  auto stored = map_.find(bare);
  if (!stored) fail(file_.name(), "tensor '{}' is missing (expected {})", map_.name_in_file(bare), expected.str());
  if (!same_shape(stored->shape, expected)) {
    fail(file_.name(), "tensor '{}': expected shape {}, found {}", stored->name, expected.str(), stored->shape.str());
  }
  if (!is_weight_type(stored->dtype)) {
    fail(file_.name(), "tensor '{}': expected a weight type, found {}", stored->name, info(stored->dtype).name);
  }
  return *stored;
}

Tensor Loader::matrix(std::string_view bare, std::initializer_list<int64_t> shape) {
  const StoredTensor stored = find(bare, shape);
  const int64_t count = stored.shape.count();
  bytes_ += options_.widen ? bytes_of(DType::f32, count) : stored.bytes();
  if (options_.count_only) return {};
  Tensor raw = Tensor::host(stored.dtype, stored.shape);
  read(stored, raw.raw_mutable());
  const bool wide = options_.widen && stored.dtype != DType::f32;
  return ops_.prepare_weight(wide ? widened(raw) : std::move(raw));
}

Linear Loader::linear(std::string_view bare, std::initializer_list<int64_t> shape) {
  return {matrix(bare, shape), std::string(bare)};
}

Tensor Loader::values(std::string_view bare, int64_t size, float factor, float offset) {
  const StoredTensor stored = find(bare, {size});
  bytes_ += bytes_of(DType::f32, size);
  if (options_.count_only) return {};
  std::vector<std::byte> raw(static_cast<size_t>(stored.bytes()));
  stored.read(file_, raw);
  std::vector<float> x(static_cast<size_t>(size));
  unpack(stored.dtype, raw, x);
  for (float& v : x) v = v * factor + offset;
  return ops_.upload(DType::f32, Shape{size}, std::as_bytes(std::span(x)));
}

Tensor Loader::vector(std::string_view bare, int64_t size, float factor) { return values(bare, size, factor, 0.0f); }

Tensor Loader::norm(std::string_view bare, int64_t size) {
  const bool shifted = config_.generation == 3 && file_.format() == FileFormat::safetensors && is_shifted_norm(bare);
  return values(bare, size, 1.0f, shifted ? 1.0f : 0.0f);
}

const TensorRecord& Loader::record(std::string_view bare, std::initializer_list<int64_t> shape) const {
  const StoredTensor stored = find(bare, shape);
  return *stored.pieces.front().record;
}

}  // namespace gemma
