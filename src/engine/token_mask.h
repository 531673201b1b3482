// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

namespace gemma {

/** What may come next: a grammar, a schema. The only other seam with virtual functions besides Ops. */
class TokenMask {
 public:
  virtual ~TokenMask() = default;
  virtual void fill(std::span<uint32_t> bits) = 0;  // bit set: allowed
  virtual bool accept(int32_t token) = 0;
  virtual void rollback(int tokens) = 0;
  virtual bool finished() const = 0;
  virtual bool free() const = 0;  // nothing is forbidden at this place
};

}  // namespace gemma
