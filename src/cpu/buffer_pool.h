// SPDX-License-Identifier: Apache-2.0
// Memory of temporaries: the bytes of a result are free for the next one when its last handle dies, small ones by a
// list for their size class, large ones, as long as they must be, in a BufferRange. So a step takes no memory from the
// system after the first one, and peak memory is about what is alive. Not for several threads at a time: tensors are
// made and dropped by the thread that runs the model.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "cpu/buffer_range.h"
#include "tensor/tensor.h"

namespace gemma::cpu {

class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  /** Not cleared, aligned to 64 bytes. The storage keeps the pool alive. */
  std::shared_ptr<Storage> take(int64_t bytes);

  /** Of large buffers; goes down again some steps after they were last in use. */
  int64_t large_bytes() const { return large_.held_bytes(); }

 private:
  class Buffer;
  template <class T>
  class HandleMemory;
  /** Size classes are 64 bytes times 4, 5, 6, 7, 8, 10, 12, 14, 16, ...: at most a quarter is wasted. */
  static int size_class(int64_t bytes);
  static int64_t class_bytes(int index);
  std::byte* take_small(int64_t room);
  std::byte* take_large(int64_t room);
  void give_back(std::byte* data, int64_t room);

  static constexpr int kClasses = 4 * 48;
  /** A step of an answer makes some hundred tensors: memory of a prompt goes back within some hundred steps. Sooner
   *  would make the next prompt wait for pages: an answer is often short. */
  static constexpr int kTakesBetweenTrims = 65536;
  static constexpr int64_t kLarge = int64_t{1} << 20;
  std::array<std::vector<std::byte*>, kClasses> free_;
  std::vector<void*> handles_;  // memory of counted handles that died, all of one size
  BufferRange large_;
  int takes_ = 0;
};

}  // namespace gemma::cpu
