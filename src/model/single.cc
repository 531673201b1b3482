// SPDX-License-Identifier: Apache-2.0
#include "model/single.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/error.h"

namespace gemma {
namespace {

Tensor copy_to_host(Ops& ops, const Tensor& x) {
  Tensor out = Tensor::host(x.dtype(), x.shape());
  ops.read(x, out.raw_mutable());
  return out;
}

/** [rows, heads, d] -> [heads, rows, d]. */
Tensor heads_first(const Tensor& x) {
  const int64_t rows = x.shape()[0], heads = x.shape()[1], d = x.shape()[2];
  Tensor out = Tensor::host(DType::f32, Shape{heads, rows, d});
  const std::span<const float> from = x.data<float>();
  const std::span<float> to = out.data_mutable<float>();
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t h = 0; h < heads; ++h) {
      std::copy_n(from.begin() + (r * heads + h) * d, d, to.begin() + (h * rows + r) * d);
    }
  }
  return out;
}

}  // namespace

Batch batch_rows(std::span<const int32_t> tokens, int32_t first) {
  Batch batch;
  batch.tokens.assign(tokens.begin(), tokens.end());
  batch.positions.resize(tokens.size());
  std::iota(batch.positions.begin(), batch.positions.end(), first);
  batch.wanted.resize(tokens.size());
  std::iota(batch.wanted.begin(), batch.wanted.end(), 0);
  return batch;
}

SingleSequence::SingleSequence(const Model& model, Ops& ops, KvOptions options)
    : model_(model), ops_(ops), cache_(model.config, options, ops), id_(cache_.create()) {}

Tensor SingleSequence::feed(Batch batch) {
  batch.segments = {{id_, 0, static_cast<int64_t>(batch.tokens.size())}};
  if (!cache_.reserve(batch)) {
    fail("cache", "no room for {} more tokens within the byte limit", batch.tokens.size());
  }
  Context context{ops_, model_.config, model_.weights, cache_};
  Tensor state = forward(context, batch);
  cache_.commit(batch);
  return state;
}

Tensor SingleSequence::logits(const Tensor& state) const {
  return gemma::logits(ops_, model_.config, model_.weights, state);
}

int32_t greedy_choice(std::span<const float> logits, std::span<const int32_t> suppressed) {
  int32_t best = -1;
  for (size_t i = 0; i < logits.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    if (best >= 0 && !(logits[i] > logits[static_cast<size_t>(best)])) continue;
    if (std::find(suppressed.begin(), suppressed.end(), id) == suppressed.end()) best = id;
  }
  return best;
}

Trace::Trace(Ops& ops, Wanted wanted) : ops_(ops) {
  ops_.listen([this, wanted = std::move(wanted)](std::string_view name, const Tensor& x) {
    if (!wanted(name)) return;
    Tensor host = copy_to_host(ops_, x);
    const bool by_head = name.ends_with("attn.q") || name.ends_with("attn.k") || name.ends_with("attn.v");
    tensors_.emplace_back(name, by_head ? heads_first(host) : host);
  });
}

Trace::~Trace() { ops_.listen({}); }

const Tensor* Trace::find(std::string_view name) const {
  for (const auto& [each, tensor] : tensors_) {
    if (each == name) return &tensor;
  }
  return nullptr;
}

}  // namespace gemma
