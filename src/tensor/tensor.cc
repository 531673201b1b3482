// SPDX-License-Identifier: Apache-2.0
#include "tensor/tensor.h"

#include <algorithm>
#include <cstring>

#include "base/limits.h"
#include "base/memory.h"

namespace gemma {
namespace {

class HostStorage final : public Storage {
 public:
  explicit HostStorage(int64_t bytes) : bytes_(bytes) {
    data_ = take_memory(bytes);
    if (data_ == nullptr) fail("memory", "cannot allocate {} bytes{}", bytes, describe_address_limit());
  }
  HostStorage(const HostStorage&) = delete;
  HostStorage& operator=(const HostStorage&) = delete;
  ~HostStorage() override { give_back_memory(data_, bytes_); }
  std::byte* host() override { return data_; }
  int64_t bytes() const override { return bytes_; }

 private:
  std::byte* data_;
  int64_t bytes_;
};

template <class T>
Tensor copy_of(std::span<const T> values, DType dtype, Shape shape) {
  GEMMA_CHECK(static_cast<int64_t>(values.size()) == shape.count(), "as many values as the shape says");
  Tensor t = Tensor::host(dtype, shape);
  if (!values.empty()) std::memcpy(t.raw_mutable().data(), values.data(), values.size_bytes());
  return t;
}

}  // namespace

Shape::Shape(std::initializer_list<int64_t> sizes) : Shape(std::span<const int64_t>(sizes.begin(), sizes.size())) {}

Shape::Shape(std::span<const int64_t> sizes) : rank(static_cast<int>(sizes.size())) {
  GEMMA_CHECK(sizes.size() <= dims.size(), "at most four dimensions");
  std::copy(sizes.begin(), sizes.end(), dims.begin());
}

int64_t Shape::count() const {
  int64_t n = 1;
  for (int i = 0; i < rank; ++i) {
    GEMMA_CHECK(!__builtin_mul_overflow(n, (*this)[i], &n), "the product of dimensions fits 64 bits");
  }
  return n;
}

bool Shape::operator==(const Shape& other) const {
  return rank == other.rank && std::equal(dims.begin(), dims.begin() + rank, other.dims.begin());
}

std::string Shape::str() const {
  std::string s = "[";
  for (int i = 0; i < rank; ++i) s += fmt::format("{}{}", i ? ", " : "", (*this)[i]);
  return s + "]";
}

std::shared_ptr<Storage> host_storage(int64_t bytes) { return std::make_shared<HostStorage>(bytes); }

Tensor::Tensor(std::shared_ptr<Storage> storage, int64_t offset, DType dtype, Shape shape, Layout layout)
    : storage_(std::move(storage)), offset_(offset), dtype_(dtype), layout_(layout), shape_(shape) {}

Tensor Tensor::host(DType dtype, Shape shape) {
  return Tensor(host_storage(bytes_of(dtype, shape.count())), 0, dtype, shape);
}

Tensor Tensor::from(std::span<const float> values, Shape shape) { return copy_of(values, DType::f32, shape); }
Tensor Tensor::from(std::span<const int32_t> values, Shape shape) { return copy_of(values, DType::i32, shape); }

int64_t Tensor::bytes() const {
  return layout_ == Layout::packed ? storage_->bytes() - offset_ : bytes_of(dtype_, shape_.count());
}

Tensor Tensor::slice(int64_t first, int64_t n) const {
  GEMMA_CHECK(layout_ == Layout::rows, "a tensor in rows");
  GEMMA_CHECK(first >= 0 && n >= 0 && first + n <= rows(), "a slice lies inside its tensor");
  return Tensor(storage_, offset_ + bytes_of(dtype_, first * cols()), dtype_, Shape{n, cols()}, layout_);
}

Tensor Tensor::view(Shape shape) const {
  GEMMA_CHECK(layout_ == Layout::rows, "a tensor in rows");
  GEMMA_CHECK(shape.count() == shape_.count(), "a view has as many values as its tensor");
  return Tensor(storage_, offset_, dtype_, shape, layout_);
}

std::span<const std::byte> Tensor::raw() const {
  GEMMA_CHECK(defined() && storage_->host() != nullptr, "a host tensor");
  return {storage_->host() + offset_, static_cast<size_t>(bytes())};
}

std::span<std::byte> Tensor::raw_mutable() {
  GEMMA_CHECK(defined() && storage_->host() != nullptr, "a host tensor");
  return {storage_->host() + offset_, static_cast<size_t>(bytes())};
}

void Tensor::check_type(size_t value_size) const {
  GEMMA_CHECK(info(dtype_).block == 1 && info(dtype_).bytes == static_cast<int>(value_size),
              "data<T> asks for the tensor's own type");
}

}  // namespace gemma
