// SPDX-License-Identifier: Apache-2.0
// A fixed random rotation of the values of a head: random signs and a Walsh-Hadamard transform. Where the size is no
// power of two, transforms of the largest power below it take turns at the head's beginning and end, three of them:
// then every value reaches every place.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/kernels/kernels.h"

namespace gemma::cpu {

class Rotation {
 public:
  Rotation(int64_t dim, const Kernels& kernels);
  void apply(float* x) const;
  void undo(float* x) const;

 private:
  struct Turn {
    int64_t first;
    std::vector<float> signs;
  };
  const Kernels& kernels_;
  int64_t size_ = 1;  // of a transform
  float factor_ = 1;  // that makes it one without growth
  std::vector<Turn> turns_;
};

}  // namespace gemma::cpu
