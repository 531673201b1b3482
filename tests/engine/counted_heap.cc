// SPDX-License-Identifier: Apache-2.0
// The global operators, counting. A file of its own: seen together with their callers, compilers take the free() here
// for a mistake.
#include "counted_heap.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<int64_t> allocations{0};
}  // namespace

namespace gemma::testing_engine {
int64_t heap_allocations() { return allocations.load(); }
}  // namespace gemma::testing_engine

void* operator new(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* data = std::malloc(bytes == 0 ? 1 : bytes);
  if (data == nullptr) std::abort();
  return data;
}
void operator delete(void* data) noexcept { std::free(data); }
void operator delete(void* data, size_t) noexcept { std::free(data); }
