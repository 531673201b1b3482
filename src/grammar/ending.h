// SPDX-License-Identifier: Apache-2.0
// A mask that knows the way to its end.
#pragma once

#include <cstdint>
#include <span>

namespace gemma {

class Ending {
 public:
  virtual ~Ending() = default;
  /** Of the bits, which fill() has set, keeps those that bring the end nearer. False where it does not know. */
  virtual bool nearer(std::span<uint32_t> bits) const = 0;
};

}  // namespace gemma
