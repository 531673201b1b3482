// SPDX-License-Identifier: Apache-2.0
// Tensor: a counted handle on a typed, shaped piece of memory. Copies share the bytes; the bytes go back to where they
// came from when the last handle dies. What may be done with tensors is Ops (ops.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "tensor/dtype.h"

namespace gemma {

/** Row-major, the last dimension contiguous. Rank 0 is a scalar. */
struct Shape {
  std::array<int64_t, 4> dims{1, 1, 1, 1};
  int rank = 0;

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes);
  explicit Shape(std::span<const int64_t> sizes);
  int64_t operator[](int i) const { return dims[static_cast<size_t>(i)]; }
  int64_t count() const;  // the product; aborts on overflow (readers check before they make a Shape)
  int64_t cols() const { return rank == 0 ? 1 : dims[static_cast<size_t>(rank - 1)]; }
  int64_t rows() const { return cols() == 0 ? 0 : count() / cols(); }
  bool operator==(const Shape& other) const;
  std::string str() const;  // "[24, 64]"
};

/** rows: as files store them. packed: panels of rows in the order a device's kernels want; neither sliced nor viewed.
 */
enum class Layout : uint8_t { rows, packed };

/** The bytes behind tensors. A device derives from it; host() is null where the host cannot see the bytes. */
class Storage {
 public:
  virtual ~Storage() = default;
  virtual std::byte* host() = 0;
  virtual int64_t bytes() const = 0;
};

/** Plain host memory aligned to 64 bytes, not cleared. */
std::shared_ptr<Storage> host_storage(int64_t bytes);

class Tensor {
 public:
  Tensor() = default;  // empty: defined() is false
  Tensor(std::shared_ptr<Storage> storage, int64_t offset, DType dtype, Shape shape, Layout layout = Layout::rows);

  /** Fresh host memory, not cleared. */
  static Tensor host(DType dtype, Shape shape);
  static Tensor from(std::span<const float> values, Shape shape);
  static Tensor from(std::span<const int32_t> values, Shape shape);

  bool defined() const { return storage_ != nullptr; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  Layout layout() const { return layout_; }
  int64_t rows() const { return shape_.rows(); }
  int64_t cols() const { return shape_.cols(); }
  /** What its values take; a packed tensor has all of its storage, which may be more. */
  int64_t bytes() const;

  /** Rows first .. first + n - 1 as a view on the same bytes, shape [n, cols]. */
  Tensor slice(int64_t first, int64_t n) const;
  /** The same bytes with another shape of the same count. */
  Tensor view(Shape shape) const;

  std::span<const std::byte> raw() const;  // host tensors only
  std::span<std::byte> raw_mutable();      // for whoever made the tensor, before it is shared
  template <class T>
  std::span<const T> data() const {
    check_type(sizeof(T));
    return {reinterpret_cast<const T*>(raw().data()), static_cast<size_t>(shape_.count())};
  }
  template <class T>
  std::span<T> data_mutable() {
    check_type(sizeof(T));
    return {reinterpret_cast<T*>(raw_mutable().data()), static_cast<size_t>(shape_.count())};
  }
  const std::shared_ptr<Storage>& storage() const { return storage_; }
  int64_t offset() const { return offset_; }

 private:
  void check_type(size_t value_size) const;
  std::shared_ptr<Storage> storage_;
  int64_t offset_ = 0;
  DType dtype_ = DType::f32;
  Layout layout_ = Layout::rows;
  Shape shape_;
};

}  // namespace gemma
