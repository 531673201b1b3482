// SPDX-License-Identifier: Apache-2.0
#include "tensor/ops.h"

#include <cstring>

namespace gemma {

void Ops::copy_pages(const Tensor& pool, std::span<const int32_t> from, std::span<const int32_t> to) {
  Tensor target = pool;
  const std::span<std::byte> bytes = target.raw_mutable();
  const size_t page = bytes.size() / static_cast<size_t>(pool.shape()[0]);
  for (size_t i = 0; i < from.size(); ++i) {
    const std::byte* source = bytes.data() + static_cast<size_t>(from[i]) * page;
    std::memcpy(bytes.data() + static_cast<size_t>(to[i]) * page, source, page);
  }
}

Tensor Ops::linear(const Tensor& x, const Tensor& w) {
  const Tensor* weights[] = {&w};
  return linear(x, std::span<const Tensor* const>(weights))[0];
}

}  // namespace gemma
