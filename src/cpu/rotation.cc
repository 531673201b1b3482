// SPDX-License-Identifier: Apache-2.0
#include "cpu/rotation.h"

#include <cmath>
#include <cstddef>

#include "base/random.h"

namespace gemma::cpu {

Rotation::Rotation(int64_t dim, const Kernels& kernels) : kernels_(kernels) {
  constexpr uint64_t kSeed = 0x7475726271;  // of all caches: what one wrote another reads
  while (2 * size_ <= dim) size_ *= 2;
  factor_ = static_cast<float>(1.0 / std::sqrt(static_cast<double>(size_)));
  const int turns = size_ == dim ? 1 : 3;
  for (int t = 0; t < turns; ++t) {
    Turn turn{t % 2 == 0 ? 0 : dim - size_, std::vector<float>(static_cast<size_t>(size_))};
    for (int64_t i = 0; i < size_; ++i) {
      const bool minus = (keyed_bits(kSeed, static_cast<uint64_t>(t), static_cast<uint64_t>(i)) & 1) != 0;
      turn.signs[static_cast<size_t>(i)] = minus ? -1.0f : 1.0f;
    }
    turns_.push_back(std::move(turn));
  }
}

void Rotation::apply(float* x) const {
  for (const Turn& turn : turns_) {
    kernels_.mul(x + turn.first, turn.signs.data(), size_, x + turn.first);
    kernels_.hadamard(x + turn.first, size_, factor_);
  }
}

void Rotation::undo(float* x) const {
  for (auto turn = turns_.rbegin(); turn != turns_.rend(); ++turn) {
    kernels_.hadamard(x + turn->first, size_, factor_);
    kernels_.mul(x + turn->first, turn->signs.data(), size_, x + turn->first);
  }
}

}  // namespace gemma::cpu
