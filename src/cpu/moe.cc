// SPDX-License-Identifier: Apache-2.0
// Mixture of experts: rows are grouped by expert, so that an expert's weights are read once for all rows that chose it
// and experts that nobody chose are not read at all.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "cpu/buffer_pool.h"
#include "cpu/cpu_ops.h"
#include "cpu/products.h"
#include "tensor/dtype.h"
#include "tensor/ops.h"
#include "tensor/tensor.h"

namespace gemma::cpu {

/** The choices of all rows, sorted by expert. Choice c = row * top_k + rank stands at place[c]. */
struct Grouping {
  std::vector<RowGroup> groups;  // of places, rising expert; chosen ones only
  std::vector<int32_t> experts;  // of each group
  std::vector<int64_t> place;    // [rows * top_k]
  std::vector<int32_t> row_at;   // of each place
  std::vector<int64_t> start;    // the first place of each expert; to work with

  bool one_row_each() const { return place.size() == groups.size(); }

  static Grouping& of_this_thread() {
    static thread_local Grouping kept;  // a step of an answer allocates nothing
    return kept;
  }
};

namespace {

void group_by_expert(std::span<const int32_t> chosen, int64_t experts, int top_k, Grouping& result) {
  std::vector<int64_t>& start = result.start;
  result.groups.clear();
  result.experts.clear();
  result.place.clear();
  start.assign(static_cast<size_t>(experts) + 1, 0);
  for (int32_t e : chosen) {
    GEMMA_CHECK(e >= 0 && e < experts, "an expert of the layer");
    ++start[static_cast<size_t>(e) + 1];
  }
  for (size_t e = 0; e < static_cast<size_t>(experts); ++e) {
    if (start[e + 1] > 0) {
      result.groups.push_back({start[e], start[e + 1]});
      result.experts.push_back(static_cast<int32_t>(e));
    }
    start[e + 1] += start[e];
  }
  for (int32_t e : chosen) result.place.push_back(start[static_cast<size_t>(e)]++);
  result.row_at.resize(chosen.size());
  for (size_t c = 0; c < chosen.size(); ++c) {
    result.row_at[static_cast<size_t>(result.place[c])] = static_cast<int32_t>(c) / top_k;
  }
}

/** body(group, first panel, panels) for all panels of the experts that somebody chose, shared out to the threads. */
template <class Body>
void over_panels(ThreadPool& threads, const Grouping& grouping, const Weight& w, int64_t panels, const Body& body) {
  const auto pieces = [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t panel = begin % panels, count = std::min(end - begin, panels - panel);
      body(static_cast<size_t>(begin / panels), panel, count);
      begin += count;
    }
  };
  const int64_t total = std::ssize(grouping.groups) * panels;
  if (grouping.one_row_each()) return threads.parallel_for(total, panels_per_share(w, 1), pieces);
  constexpr int64_t kPieceBytes = 1 << 20;  // smaller pieces break the streams from memory
  const int64_t panel_bytes = w.layout == Layout::packed ? w.panel_bytes : w.row_bytes * kPanelRows;
  threads.parallel_claim(total, std::max<int64_t>(1, kPieceBytes / std::max<int64_t>(1, panel_bytes)), pieces);
}

/** y_place = w_expert . x_place for every place; y [places, rows of an expert's matrix]. */
void multiply_groups(const Operand& x, ThreadPool& threads, const Grouping& grouping, const Weight& w, float* y) {
  over_panels(threads, grouping, w, w.panels, [&](size_t g, int64_t panel, int64_t count) {
    const RowGroup& group = grouping.groups[g];
    x.multiply(w, grouping.experts[g], panel, count, group, y + group.first * w.rows, w.rows);
  });
}

/** y_place = gelu_tanh(gate_expert . x_place) * (up_expert . x_place), where whole panels of gate are followed by as
 * many of up. */
void multiply_gated_groups(const Operand& x, ThreadPool& threads, const Grouping& grouping, const Weight& gate_up,
                           float* y) {
  const int64_t panels = gate_up.panels / 2;
  over_panels(threads, grouping, gate_up, panels, [&](size_t g, int64_t panel, int64_t count) {
    const RowGroup& group = grouping.groups[g];
    const int64_t first = grouping.experts[g] * gate_up.panels;
    const Weight gate = gate_up.some_panels(first, panels), up = gate_up.some_panels(first + panels, panels);
    float* to = y + group.first * gate.rows;
    for (int64_t p = panel; p < panel + count; ++p) x.multiply_gated(gate, up, p, group, to, gate.rows);
  });
}

}  // namespace

void CpuOps::route(const Tensor& scores, int top_k, const Tensor& per_expert_scale, Routing& routing) {
  const int64_t experts = scores.cols();
  GEMMA_CHECK(top_k > 0 && top_k <= experts, "at most all experts are chosen");
  const Tensor factors = per_expert_scale.defined() ? widened(per_expert_scale) : Tensor();
  GEMMA_CHECK(!factors.defined() || factors.shape().count() == experts, "a scale for every expert");
  const Tensor probabilities = softmax(scores);
  static thread_local std::vector<int32_t> order;
  order.resize(static_cast<size_t>(experts));
  routing.top_k = top_k;
  routing.index.clear();
  routing.weight.clear();
  for (int64_t r = 0; r < scores.rows(); ++r) {
    const auto p = probabilities.data<float>().subspan(static_cast<size_t>(r * experts), static_cast<size_t>(experts));
    std::iota(order.begin(), order.end(), 0);
    std::ranges::partial_sort(order, order.begin() + top_k, [&](int32_t a, int32_t b) {
      const float pa = p[static_cast<size_t>(a)], pb = p[static_cast<size_t>(b)];
      return pa > pb || (pa == pb && a < b);
    });
    float sum = 0;
    for (int i = 0; i < top_k; ++i) sum += p[static_cast<size_t>(order[static_cast<size_t>(i)])];
    for (int i = 0; i < top_k; ++i) {
      const auto e = static_cast<size_t>(order[static_cast<size_t>(i)]);
      routing.index.push_back(static_cast<int32_t>(e));
      routing.weight.push_back(p[e] / sum * (factors.defined() ? factors.data<float>()[e] : 1.0f));
    }
  }
}

/** gelu_tanh(gate) * up of the chosen experts, [places, width]. */
Tensor CpuOps::expert_hidden(const Tensor& x, const Grouping& grouping, const Weight& gate_up) {
  const auto places = static_cast<int64_t>(grouping.place.size()), width = gate_up.rows / 2;
  const Tensor gathered = gate_up.by_panels() ? Tensor() : gather_rows(x, grouping.row_at);
  const std::span<const int32_t> row_at = gate_up.by_panels() ? grouping.row_at : std::span<const int32_t>();
  const Operand operand(kernels_, threads_, *buffers_, gathered.defined() ? gathered : x, {&gate_up, 1},
                        grouping.groups, row_at);
  Tensor hidden = make(places, width);
  float* to = hidden.data_mutable<float>().data();
  if (gate_up.layout == Layout::packed && width % kPanelRows == 0 && !grouping.one_row_each()) {
    multiply_gated_groups(operand, threads_, grouping, gate_up, to);
    return hidden;
  }
  Tensor both = make(places, 2 * width);
  float* pairs = both.data_mutable<float>().data();
  multiply_groups(operand, threads_, grouping, gate_up, pairs);
  over_rows(places, 4 * width, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      kernels_.gated_gelu(pairs + i * 2 * width, pairs + i * 2 * width + width, width, to + i * width);
    }
  });
  return hidden;
}

Tensor CpuOps::moe(const Tensor& x, const Routing& routing, const Tensor& gate_up, const Tensor& down) {
  GEMMA_CHECK(x.dtype() == DType::f32 && gate_up.shape().rank == 3 && down.shape().rank == 3,
              "experts in three dimensions");
  const int64_t experts = gate_up.shape()[0], width = gate_up.shape()[1] / 2, n = x.cols(), rows = x.rows();
  GEMMA_CHECK(gate_up.cols() == n && gate_up.shape()[1] == 2 * width, "gate_up is [experts, 2 width, cols of x]");
  GEMMA_CHECK(down.shape() == Shape({experts, n, width}), "down is [experts, cols of x, width]");
  const auto places = static_cast<int64_t>(routing.index.size());
  GEMMA_CHECK(places == rows * routing.top_k && routing.weight.size() == routing.index.size(),
              "a choice for every row");
  Grouping& grouping = Grouping::of_this_thread();
  group_by_expert(routing.index, experts, routing.top_k, grouping);
  const Tensor hidden = expert_hidden(x, grouping, Weight(gate_up));
  Tensor out = make(places, n), y = make(rows, n);
  float* results = out.data_mutable<float>().data();
  const Weight second(down);
  multiply_groups(Operand(kernels_, threads_, *buffers_, hidden, {&second, 1}, grouping.groups), threads_, grouping,
                  second, results);
  float* to = y.data_mutable<float>().data();
  over_rows(rows, routing.top_k * n, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin * routing.top_k; c < end * routing.top_k; ++c) {
      const float* result = results + grouping.place[static_cast<size_t>(c)] * n;
      const float weight = routing.weight[static_cast<size_t>(c)];
      float* sum = to + c / routing.top_k * n;
      if (c % routing.top_k == 0) {
        kernels_.scale(result, weight, n, sum);
      } else {
        kernels_.combine(sum, 1.0f, result, weight, n, sum);
      }
    }
  });
  return y;
}

}  // namespace gemma::cpu
