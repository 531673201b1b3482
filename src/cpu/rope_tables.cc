// SPDX-License-Identifier: Apache-2.0
#include "cpu/rope_tables.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>

#include "base/thread_pool.h"

namespace gemma::cpu {
namespace {

void fill_rows(RopeTables::Table& table, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t i = 0; i < table.pairs; ++i) {
      const float position = static_cast<float>(table.positions[static_cast<size_t>(r)]);
      const float angle = position * table.inverse_frequency[static_cast<size_t>(i)];
      const auto at = static_cast<size_t>(r * table.pairs + i);
      table.cosine[at] = static_cast<float>(std::cos(static_cast<double>(angle)));
      table.sine[at] = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
}

}  // namespace

const RopeTables::Table& RopeTables::get(std::span<const int32_t> positions, std::span<const float> inverse_frequency,
                                         ThreadPool& threads) {
  for (auto table = tables_.begin(); table != tables_.end(); ++table) {
    if (std::ranges::equal(table->positions, positions) &&
        std::ranges::equal(table->inverse_frequency, inverse_frequency)) {
      tables_.splice(tables_.begin(), tables_, table);
      return *table;
    }
  }
  if (tables_.size() < kKept) tables_.emplace_back();
  tables_.splice(tables_.begin(), tables_, std::prev(tables_.end()));  // the one used least becomes this
  Table& table = tables_.front();
  table.positions.assign(positions.begin(), positions.end());
  table.inverse_frequency.assign(inverse_frequency.begin(), inverse_frequency.end());
  table.pairs = static_cast<int64_t>(inverse_frequency.size());
  while (table.pairs > 0 && inverse_frequency[static_cast<size_t>(table.pairs - 1)] == 0.0f) --table.pairs;
  const auto rows = static_cast<int64_t>(positions.size());
  table.cosine.resize(static_cast<size_t>(rows * table.pairs));
  table.sine.resize(static_cast<size_t>(rows * table.pairs));
  constexpr int64_t kAngles = 1024;  // per share at least: some 40 us
  threads.parallel_for(rows, std::max<int64_t>(1, kAngles / std::max<int64_t>(1, table.pairs)),
                       [&](int64_t begin, int64_t end) { fill_rows(table, begin, end); });
  return table;
}

}  // namespace gemma::cpu
