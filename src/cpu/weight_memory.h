// SPDX-License-Identifier: Apache-2.0
// Memory for weights, which are made once and live long: cut from large blocks, so that nearly all of them lie in pages
// of 2 MiB. A mapping for each would leave its ends in small pages, a third of a small model's weights, and decoding
// read them by a fifth slower: weights are fetched ahead across pages, and small ones miss the TLB.
#pragma once

#include <cstdint>
#include <memory>

#include "tensor/tensor.h"

namespace gemma::cpu {

class WeightMemory {
 public:
  /** `bytes` at an address of whole cache lines, not cleared. A block goes when nothing cut from it is alive; what of
   *  it nobody has written takes no memory. */
  std::shared_ptr<Storage> take(int64_t bytes);

 private:
  std::shared_ptr<Storage> block_;
  int64_t used_ = 0;
};

}  // namespace gemma::cpu
