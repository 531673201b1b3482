// SPDX-License-Identifier: Apache-2.0
// Memory of temporaries: the bytes of a result go back to a free list of their size class when its last handle dies, so
// that a step takes no memory from the system after the first one, and peak memory is what is alive. Not for several
// threads at a time: tensors are made and dropped by the thread that runs the model.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "tensor/tensor.h"

namespace gemma::cpu {

class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  /** `keep_bytes`: how much unused memory is kept at most; the rest goes back to the system. */
  explicit BufferPool(int64_t keep_bytes = int64_t{64} << 20) : keep_bytes_(keep_bytes) {}
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  /** Not cleared, aligned to 64 bytes. The storage keeps the pool alive. */
  std::shared_ptr<Storage> take(int64_t bytes);

  int64_t kept_bytes() const { return kept_; }

 private:
  class Buffer;
  template <class T>
  class HandleMemory;
  /** Size classes are 64 bytes times 4, 5, 6, 7, 8, 10, 12, 14, 16, ...: at most a quarter is wasted. */
  static int size_class(int64_t bytes);
  static int64_t class_bytes(int index);
  void give_back(std::byte* data, int index);
  /** Before a large block is taken from the system, unused ones of other sizes go back to it: a step of many rows after
   *  one of few would hold the buffers of both. */
  void make_way(int64_t bytes);

  static constexpr int kClasses = 4 * 48;
  static constexpr int64_t kLarge = int64_t{1} << 20;
  std::array<std::vector<std::byte*>, kClasses> free_;
  std::vector<void*> handles_;  // memory of counted handles that died, all of one size
  int64_t kept_ = 0, keep_bytes_;
};

}  // namespace gemma::cpu
