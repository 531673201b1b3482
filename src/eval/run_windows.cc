// SPDX-License-Identifier: Apache-2.0
#include "eval/run_windows.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/error.h"

namespace gemma {
namespace {

/** What one side remembers of the windows that are being read. */
class Lane {
 public:
  Lane(const Side& side, Ops& ops) : side_(side), ops_(ops), cache_(side.model->config, side.kv, ops) {}

  void begin(size_t windows) {
    for (const SeqId id : ids_) cache_.release(id);
    ids_.clear();
    for (size_t i = 0; i < windows; ++i) ids_.push_back(cache_.create());
  }

  /** The states of the wanted rows; the segments' sequences count the windows from 0. */
  Tensor feed(Batch batch) {
    for (Segment& s : batch.segments) s.sequence = ids_[static_cast<size_t>(s.sequence)];
    if (!cache_.reserve(batch)) fail("cache", "no room for {} tokens within the byte limit", batch.tokens.size());
    Context context{ops_, side_.model->config, side_.model->weights, cache_};
    Tensor state = forward(context, batch);
    cache_.commit(batch);
    return state;
  }

  /** Logits of rows of `state`, on the host until the next call. */
  std::span<const float> logits(const Tensor& state, int64_t first, int64_t rows) {
    const Tensor x = gemma::logits(ops_, side_.model->config, side_.model->weights, state.slice(first, rows));
    host_.resize(static_cast<size_t>(x.shape().count()));
    ops_.read(x, std::as_writable_bytes(std::span(host_)));
    return host_;
  }

 private:
  const Side& side_;
  Ops& ops_;
  KvCache cache_;
  std::vector<SeqId> ids_;
  std::vector<float> host_;
};

class Runner {
 public:
  Runner(const WindowPlan& plan, std::span<const Side> sides, Ops& ops, const RunWindows& how)
      : plan_(plan), how_(how), chunk_(std::min(how.batch, plan.options.context)) {
    for (const Side& side : sides) lanes_.push_back(std::make_unique<Lane>(side, ops));
  }

  bool run() {
    const auto at_once = static_cast<size_t>(std::max(1, how_.batch / plan_.options.context));
    const std::span<const Window> windows = plan_.windows;
    for (size_t i = 0; i < windows.size(); i += at_once) {
      if (!run_group(windows.subspan(i, std::min(at_once, windows.size() - i)))) return false;
    }
    return true;
  }

 private:
  bool run_group(std::span<const Window> group) {
    for (const auto& lane : lanes_) lane->begin(group.size());
    for (int row = 0; row < plan_.options.context; row += chunk_) {
      const Batch batch = rows_of(group, row, std::min(chunk_, plan_.options.context - row));
      std::vector<Tensor> states;
      for (const auto& lane : lanes_) states.push_back(lane->feed(batch));
      visit(states);
      if (!how_.go_on(static_cast<int64_t>(batch.tokens.size()))) return false;
    }
    return true;
  }

  /** Rows first .. first + n - 1 of every window of the group; what they should predict becomes targets_. */
  Batch rows_of(std::span<const Window> group, int first, int n) {
    Batch batch;
    targets_.clear();
    for (size_t w = 0; w < group.size(); ++w) {
      const Window& window = group[w];
      const auto at = static_cast<int64_t>(batch.tokens.size());
      batch.segments.push_back({static_cast<SeqId>(w), at, n});
      for (int row = first; row < first + n; ++row) {
        const int64_t token = window.begin + row;
        if (row >= window.first_row && row < plan_.options.context - 1) {
          batch.wanted.push_back(static_cast<int32_t>(batch.tokens.size()));
          targets_.push_back(token + 1);
        }
        const bool bos = row == 0 && plan_.bos.has_value();
        batch.tokens.push_back(bos ? *plan_.bos : plan_.tokens[static_cast<size_t>(token)]);
        batch.positions.push_back(row);
      }
    }
    return batch;
  }

  void visit(std::span<const Tensor> states) {
    const std::span<const int64_t> targets = targets_;
    for (size_t first = 0; first < targets.size(); first += kLogitRows) {
      const size_t n = std::min<size_t>(kLogitRows, targets.size() - first);
      LogitBlock block{targets.subspan(first, n), {}};
      for (size_t i = 0; i < lanes_.size(); ++i) {
        block.all.push_back(lanes_[i]->logits(states[i], static_cast<int64_t>(first), static_cast<int64_t>(n)));
      }
      how_.block(block);
    }
  }

  const WindowPlan& plan_;
  const RunWindows& how_;
  const int chunk_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<int64_t> targets_;
};

}  // namespace

bool run_windows(const WindowPlan& plan, std::span<const Side> sides, Ops& ops, const RunWindows& how) {
  GEMMA_CHECK(!sides.empty() && how.batch > 0, "a side and a row at least");
  for (const Side& side : sides)
    GEMMA_CHECK(side.model->config.vocab == sides[0].model->config.vocab, "one vocabulary");
  return Runner(plan, sides, ops, how).run();
}

int64_t bytes_of_side(const WindowOptions& windows, const Config& config, const KvOptions& kv, int batch) {
  const int64_t at_once = std::max(1, batch / windows.context);
  const int64_t rows = batch < windows.context ? batch : at_once * windows.context;
  int64_t widest = 0;
  for (const LayerConfig& layer : config.layers) {
    widest = std::max({widest, int64_t{3} * layer.heads * layer.head_dim, int64_t{4} * layer.mlp_width});
  }
  const int64_t per_layer = int64_t{3} * static_cast<int64_t>(config.layers.size()) * config.per_layer_dim;
  return at_once * KvCache::bytes_for(config, kv, windows.context, std::min(batch, windows.context)) +
         4 * (rows * (int64_t{6} * config.dim + widest + per_layer) + int64_t{2} * kLogitRows * config.vocab);
}

}  // namespace gemma
