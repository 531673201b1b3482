// SPDX-License-Identifier: Apache-2.0
// Cosines and sines of a step: the same for every layer of a kind, so computed once and found again by their inputs.
#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <vector>

#include "base/thread_pool.h"

namespace gemma::cpu {

class RopeTables {
 public:
  struct Table {
    std::vector<int32_t> positions;
    std::vector<float> inverse_frequency;
    int64_t pairs = 0;                // pairs to rotate: all up to the last frequency that is not zero
    std::vector<float> cosine, sine;  // [positions, pairs]
  };

  /** The table of these inputs. The angle is the f32 product position * frequency; its cosine and sine are those of
   * that angle, correctly rounded but for rare last bits. Valid until the next call. */
  const Table& get(std::span<const int32_t> positions, std::span<const float> inverse_frequency, ThreadPool& threads);

 private:
  static constexpr size_t kKept = 4;  // a step has two kinds of layers; a media encoder may run between steps
  std::list<Table> tables_;           // the one used last first
};

}  // namespace gemma::cpu
