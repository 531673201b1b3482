// SPDX-License-Identifier: Apache-2.0
#include "eval/measure.h"

#include <cmath>
#include <vector>

#include "base/error.h"

namespace gemma {
namespace {

/** Scores the rows of one block at a time, each row on one thread, and adds them up in order. */
class Scorer {
 public:
  Scorer(const WindowPlan& plan, std::span<const int32_t> token_bytes, ThreadPool& threads,
         const MeasureOptions& options)
      : plan_(plan), token_bytes_(token_bytes), threads_(threads), options_(options) {}

  void add(const LogitBlock& block) {
    const size_t rows = block.targets.size();
    comparisons_.assign(rows, {});
    if (options_.save != nullptr) kept_.resize(rows);
    references_.clear();
    for (size_t i = 0; options_.reference != nullptr && i < rows; ++i) {
      references_.push_back(options_.reference->next(block.targets[i]));
    }
    threads_.parallel_claim(static_cast<int64_t>(rows), 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) score_row(block, static_cast<size_t>(i));
    });
    for (size_t i = 0; i < rows; ++i) sum_up(block, i);
  }

  Summary& summary() { return summary_; }

 private:
  bool compares(const LogitBlock& block) const { return block.all.size() > 1 || options_.reference != nullptr; }
  int32_t token(int64_t index) const { return plan_.tokens[static_cast<size_t>(index)]; }

  void score_row(const LogitBlock& block, size_t i) {
    const std::span<const float> logits = block.row(0, i);
    const int32_t target = token(block.targets[i]);
    RowComparison& out = comparisons_[i];
    if (block.all.size() > 1) {
      out = compare(logits, block.row(1, i), target);
    } else if (options_.reference != nullptr) {
      out = compare(logits, references_[i], target);
    } else {
      out.nll = nll_of(logits, target);
    }
    if (options_.save != nullptr) kept_[i] = keep_best(logits, target, options_.save->kept());
  }

  void sum_up(const LogitBlock& block, size_t i) {
    const RowComparison& c = comparisons_[i];
    const int64_t target = block.targets[i];
    if (!std::isfinite(c.nll) || !std::isfinite(c.reference_nll) || !std::isfinite(c.kl)) {
      fail("logits", "not finite before token {} of the text", target);
    }
    const int bytes = token_bytes_[static_cast<size_t>(target)];
    if (compares(block)) {
      summary_.add(c, bytes);
    } else {
      summary_.add(c.nll, bytes);
    }
    if (options_.save != nullptr) options_.save->add(kept_[i], token(target));
  }

  const WindowPlan& plan_;
  const std::span<const int32_t> token_bytes_;
  ThreadPool& threads_;
  const MeasureOptions& options_;
  std::vector<RowComparison> comparisons_;
  std::vector<KeptLogits> kept_, references_;
  Summary summary_;
};

}  // namespace

Measured measure(const WindowPlan& plan, std::span<const int32_t> token_bytes, std::span<const Side> sides, Ops& ops,
                 ThreadPool& threads, const MeasureOptions& options) {
  GEMMA_CHECK(token_bytes.size() == plan.tokens.size(), "bytes for every token");
  GEMMA_CHECK(sides.size() == 1 || (sides.size() == 2 && options.reference == nullptr), "one reference at most");
  Scorer scorer(plan, token_bytes, threads, options);
  RunWindows how;
  how.batch = options.batch;
  how.block = [&](const LogitBlock& block) { scorer.add(block); };
  how.go_on = [&](int64_t tokens) { return !options.go_on || options.go_on(tokens); };
  const bool whole = run_windows(plan, sides, ops, how);
  return {std::move(scorer.summary()), whole};
}

}  // namespace gemma
