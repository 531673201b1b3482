// SPDX-License-Identifier: Apache-2.0
#include "model/loader.h"

#include <vector>

#include "base/error.h"
#include "config/names.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

/** What linear, embed and moe of every device take. */
bool is_weight_type(DType type) {
  return type == DType::f32 || type == DType::bf16 || type == DType::f16 || is_quantized(type);
}

/** Same count and the same sizes; a scalar counts as [1] (layer_scalar is stored both ways). */
bool same_shape(const Shape& a, const Shape& b) {
  return a == b || (a.count() == 1 && b.count() == 1);
}

}  // namespace

Loader::Loader(const ModelFile& file, const Config& config, Ops& ops, bool widen, Mode mode)
    : file_(file), config_(config), ops_(ops), map_(file, config), widen_(widen), mode_(mode) {}

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
  bytes_ += widen_ ? bytes_of(DType::f32, count) : stored.bytes();
  if (mode_ == Mode::count) return {};
  Tensor raw = Tensor::host(stored.dtype, stored.shape);
  stored.read(file_, raw.raw_mutable());
  if (!widen_ || stored.dtype == DType::f32) return ops_.prepare_weight(std::move(raw));
  Tensor wide = Tensor::host(DType::f32, stored.shape);
  unpack(stored.dtype, raw.raw(), wide.data_mutable<float>());
  return ops_.prepare_weight(std::move(wide));
}

Linear Loader::linear(std::string_view bare, std::initializer_list<int64_t> shape) {
  return {matrix(bare, shape), std::string(bare)};
}

Tensor Loader::values(std::string_view bare, int64_t size, float factor, float offset) {
  const StoredTensor stored = find(bare, {size});
  bytes_ += bytes_of(DType::f32, size);
  if (mode_ == Mode::count) return {};
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
