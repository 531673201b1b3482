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
  Buffer(std::shared_ptr<BufferPool> pool, std::byte* data, int64_t room)
      : pool_(std::move(pool)), data_(data), room_(room) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() override { pool_->give_back(data_, room_); }
  std::byte* host() override { return data_; }
  int64_t bytes() const override { return room_; }

 private:
  std::shared_ptr<BufferPool> pool_;
  std::byte* data_;
  int64_t room_;
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
  if (++takes_ == kTakesBetweenTrims) {
    takes_ = 0;
    large_.trim();
  }
  const int64_t room = bytes < kLarge ? class_bytes(size_class(bytes)) : bytes;
  std::byte* data = room < kLarge ? take_small(room) : take_large(room);
  if (data == nullptr) fail("memory", "cannot allocate {} bytes{}", bytes, describe_address_limit());
  const std::shared_ptr<BufferPool> pool = shared_from_this();
  return std::allocate_shared<Buffer>(HandleMemory<Buffer>(pool), pool, data, room);
}

std::byte* BufferPool::take_small(int64_t room) {
  std::vector<std::byte*>& list = free_[static_cast<size_t>(size_class(room))];
  if (list.empty()) return take_memory(room);
  std::byte* data = list.back();
  list.pop_back();
  return data;
}

std::byte* BufferPool::take_large(int64_t room) {
  std::byte* data = large_.take(room);
  return data != nullptr ? data : take_memory(room);
}

void BufferPool::give_back(std::byte* data, int64_t room) {
  if (room < kLarge) return free_[static_cast<size_t>(size_class(room))].push_back(data);
  if (large_.holds(data)) return large_.give_back(data, room);
  give_back_memory(data, room);
}

}  // namespace gemma::cpu
