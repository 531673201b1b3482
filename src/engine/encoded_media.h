// SPDX-License-Identifier: Apache-2.0
// Soft tokens that were made, found again by what they show: a picture that is asked about twice is encoded once. The
// least lately used are let go when there are more than so many bytes.
#pragma once

#include <cstdint>
#include <list>
#include <utility>

#include "tensor/tensor.h"

namespace gemma {

class EncodedMedia {
 public:
  explicit EncodedMedia(int64_t byte_limit) : byte_limit_(byte_limit) {}

  /** Undefined when there are none. content: 0 never has any. */
  Tensor find(uint64_t content);
  void add(uint64_t content, const Tensor& soft_tokens);
  int64_t bytes() const { return bytes_; }

 private:
  int64_t byte_limit_, bytes_ = 0;
  std::list<std::pair<uint64_t, Tensor>> kept_;  // the one used last first
};

}  // namespace gemma
