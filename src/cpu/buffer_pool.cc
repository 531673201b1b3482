// SPDX-License-Identifier: Apache-2.0
#include "cpu/buffer_pool.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "tensor/tensor.h"

namespace gemma::cpu {

class BufferPool::Buffer final : public Storage {
 public:
  Buffer(std::shared_ptr<BufferPool> pool, std::byte* data, int index)
      : pool_(std::move(pool)), data_(data), index_(index) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() override { pool_->give_back(data_, index_); }
  std::byte* host() override { return data_; }
  int64_t bytes() const override { return class_bytes(index_); }

 private:
  std::shared_ptr<BufferPool> pool_;
  std::byte* data_;
  int index_;
};

/** The allocator of counted handles: a handle's memory waits in the pool for the next, too. */
template <class T>
class BufferPool::HandleMemory {
 public:
  using value_type = T;
  explicit HandleMemory(std::shared_ptr<BufferPool> pool) : pool_(std::move(pool)) {}
  template <class Other>
  HandleMemory(const HandleMemory<Other>& other) : pool_(other.pool_) {}

  T* allocate(size_t count) {
    GEMMA_CHECK(count == 1, "one handle at a time");
    std::vector<void*>& kept = pool_->handles_;
    if (kept.empty()) return std::allocator<T>().allocate(1);
    void* memory = kept.back();
    kept.pop_back();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t) { pool_->handles_.push_back(memory); }
  bool operator==(const HandleMemory& other) const { return pool_ == other.pool_; }

 private:
  template <class Other>
  friend class HandleMemory;
  std::shared_ptr<BufferPool> pool_;
};

int BufferPool::size_class(int64_t bytes) {
  const auto units = static_cast<uint64_t>(std::max<int64_t>((bytes + 63) / 64, 4));
  const int shift = std::bit_width(units) - 3;  // units = 4..7 << shift, rounded up
  const auto step = static_cast<int>((units + (uint64_t{1} << shift) - 1) >> shift);
  return 4 * shift + step - 4;
}

int64_t BufferPool::class_bytes(int index) { return int64_t{64} * (4 + index % 4) << (index / 4); }

BufferPool::BufferPool() : large_(total_memory()) {}

BufferPool::~BufferPool() {
  for (int index = 0; index < kClasses; ++index) {
    for (std::byte* data : free_[static_cast<size_t>(index)]) give_back_memory(data, class_bytes(index));
  }
  for (void* memory : handles_) ::operator delete(memory);
}

std::shared_ptr<Storage> BufferPool::take(int64_t bytes) {
  const int index = size_class(bytes);
  if (++takes_ == kTakesBetweenTrims) {
    takes_ = 0;
    large_.trim();
  }
  std::vector<std::byte*>& list = free_[static_cast<size_t>(index)];
  std::byte* data;
  if (class_bytes(index) >= kLarge) {
    data = take_large(class_bytes(index));
  } else if (list.empty()) {
    data = take_memory(class_bytes(index));
  } else {
    data = list.back();
    list.pop_back();
  }
  if (data == nullptr) fail("memory", "cannot allocate {} bytes{}", bytes, describe_address_limit());
  const std::shared_ptr<BufferPool> pool = shared_from_this();
  return std::allocate_shared<Buffer>(HandleMemory<Buffer>(pool), pool, data, index);
}

std::byte* BufferPool::take_large(int64_t bytes) {
  std::byte* data = large_.take(bytes);
  return data != nullptr ? data : take_memory(bytes);
}

void BufferPool::give_back(std::byte* data, int index) {
  if (class_bytes(index) < kLarge) return free_[static_cast<size_t>(index)].push_back(data);
  if (large_.holds(data)) return large_.give_back(data, class_bytes(index));
  give_back_memory(data, class_bytes(index));
}

}  // namespace gemma::cpu
