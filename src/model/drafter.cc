// SPDX-License-Identifier: Apache-2.0
#include "model/drafter.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/memory.h"
#include "model/loader.h"
#include "model/single.h"
#include "model/step.h"

namespace gemma {
namespace {

std::vector<int32_t> load_ordering(const ModelFile& file, const DrafterConfig& c) {
  constexpr std::string_view kName = "masked_embedding.token_ordering";
  const TensorMap map(file, c.stack);
  const auto stored = map.find(kName);
  const std::string name = map.name_in_file(kName);
  const Shape expected{c.stack.vocab};
  if (!stored) fail(file.name(), "tensor '{}' is missing (expected {})", name, expected.str());
  if (!(stored->shape == expected) || (stored->dtype != DType::i64 && stored->dtype != DType::i32)) {
    fail(file.name(), "tensor '{}': expected integers {}, found {} {}", name, expected.str(), info(stored->dtype).name,
         stored->shape.str());
  }
  Tensor raw = Tensor::host(stored->dtype, stored->shape);
  stored->read(file, raw.raw_mutable());
  std::vector<int32_t> order;
  std::vector<bool> seen(static_cast<size_t>(c.stack.vocab));
  for (int64_t i = 0; i < c.stack.vocab; ++i) {
    const auto at = static_cast<size_t>(i);
    const int64_t id = raw.dtype() == DType::i64 ? raw.data<int64_t>()[at] : raw.data<int32_t>()[at];
    if (id < 0 || id >= c.stack.vocab || seen[static_cast<size_t>(id)]) {
      fail(file.name(), "tensor '{}': expected each token once, found {} at {}", name, id, i);
    }
    seen[static_cast<size_t>(id)] = true;
    order.push_back(static_cast<int32_t>(id));
  }
  return order;
}

void read(Drafter& d, Loader& loader) {
  const Config& c = d.config.stack;
  const int64_t target = d.config.target_dim;
  d.pre_projection = loader.linear("pre_projection.weight", {c.dim, 2 * target});
  d.post_projection = loader.linear("post_projection.weight", {target, c.dim});
  d.weights.embedding = loader.matrix("embed_tokens.weight", {c.vocab, c.dim});
  d.weights.norm = loader.norm("norm.weight", c.dim);
  d.weights.layers.clear();
  for (int i = 0; i < static_cast<int>(c.layers.size()); ++i) d.weights.layers.push_back(load_layer(loader, c, i));
  if (d.config.ordered) d.centroids = loader.matrix("masked_embedding.centroids.weight", {d.config.centroids, c.dim});
}

/** One layer: queries at one position against the target's cache, then the feed-forward, as in decoder_layer. */
Tensor drafter_layer(Context& c, const AttentionPlan& plan, int i, Tensor x, int32_t position) {
  const LayerConfig& l = c.config.layers[static_cast<size_t>(i)];
  const LayerWeights& w = c.weights.layers[static_cast<size_t>(i)];
  const float eps = c.config.norm_eps;
  Tensor q = linear(c, w.attention.q, c.ops.rms_norm(x, &w.input_layernorm, eps));
  q = c.ops.rms_norm(q, &w.attention.q_norm, eps, l.head_dim);
  q = c.ops.rope(q, std::span(&position, 1), l.rope.inverse_frequency, l.head_dim);
  const Tensor h = linear(c, w.attention.o, c.ops.attention(q, plan));
  x = c.ops.add_norm(x, h, w.post_attention_layernorm, eps);
  x = feed_forward(c, i, x);
  return l.layer_scalar ? c.ops.scale(x, w.layer_scalar) : x;
}

std::vector<float> host_values(Ops& ops, const Tensor& x) {
  std::vector<float> values(static_cast<size_t>(x.shape().count()));
  ops.read(x, std::as_writable_bytes(std::span(values)));
  return values;
}

/** Logits of some tokens. */
struct Scores {
  std::vector<int32_t> ids;  // empty: of all
  std::vector<float> values;

  int32_t best() const {
    if (ids.empty()) return greedy_choice(values, {});
    size_t at = 0;
    for (size_t i = 1; i < ids.size(); ++i) {
      if (values[i] > values[at] || (values[i] == values[at] && ids[i] < ids[at])) at = i;
    }
    return ids[at];
  }

  /** Of all tokens, [1, vocab]: the others get what is below the least of these by one. */
  Tensor whole(Ops& ops, int vocab) const {
    std::vector<float> all = values;
    if (!ids.empty()) {
      all.assign(static_cast<size_t>(vocab), *std::min_element(values.begin(), values.end()) - 1.0f);
      for (size_t i = 0; i < ids.size(); ++i) all[static_cast<size_t>(ids[i])] = values[i];
    }
    return ops.upload(DType::f32, Shape{1, vocab}, std::as_bytes(std::span(all)));
  }
};

/** Of the tokens of the nearest centroids. */
Scores ordered_scores(Ops& ops, const Drafter& d, const Tensor& y) {
  const auto group = static_cast<size_t>(d.config.stack.vocab / d.config.centroids);
  const Candidates nearest = ops.candidates(ops.linear(y, d.centroids), {}, d.config.top_centroids)[0];
  std::vector<int32_t> chosen;
  for (int32_t centroid : nearest.ids) {
    const auto first = d.token_ordering.begin() + static_cast<int64_t>(centroid) * static_cast<int64_t>(group);
    chosen.insert(chosen.end(), first, first + static_cast<int64_t>(group));
  }
  // The rows of the chosen tokens as a small head of its own: its product is `y` with each of them.
  const Tensor head = ops.prepare_weight(ops.embed(d.weights.embedding, chosen, 1.0f));
  std::vector<float> values = host_values(ops, ops.linear(y, head));
  return {std::move(chosen), std::move(values)};
}

Scores scores_of(Ops& ops, const Drafter& d, const Tensor& y) {
  if (d.config.ordered) return ordered_scores(ops, d, y);
  return {{}, host_values(ops, logits(ops, d.config.stack, d.weights, y))};
}

}  // namespace

std::shared_ptr<const Drafter> Drafter::load(const std::string& path, const Config& target, Ops& ops,
                                             Model::Options options) {
  return load(ModelFile::open(path), target, ops, options);
}

std::shared_ptr<const Drafter> Drafter::load(const ModelFile& file, const Config& target, Ops& ops,
                                             Model::Options options) {
  auto drafter = std::make_shared<Drafter>();
  drafter->config = DrafterConfig::from(file);
  drafter->config.check_target(file.name(), target);
  const Config& stack = drafter->config.stack;
  Loader counter(file, stack, ops, {.weights = {.widen = options.widen}, .count_only = true});
  read(*drafter, counter);
  require_memory(file.name(), "weights", counter.bytes());
  Loader loader(file, stack, ops, {.weights = {.widen = options.widen}});
  read(*drafter, loader);
  if (drafter->config.ordered) drafter->token_ordering = load_ordering(file, drafter->config);
  return drafter;
}

std::vector<Draft> draft(Ops& ops, const Drafter& d, const Model& target, KvCache& cache, SeqId sequence, int32_t token,
                         Tensor state, int32_t position, int count, DraftLogits keep) {
  Context c{ops, d.config.stack, d.weights, cache};
  std::vector<AttentionPlan> plans;
  for (int i = 0; i < static_cast<int>(c.config.layers.size()); ++i) {
    const LayerConfig& l = c.config.layers[static_cast<size_t>(i)];
    // One key more than a sliding layer's own rows would see: the reference counts its bound in.
    const int source = d.config.source_layer(i, target.config);
    plans.push_back(cache.plan_last(source, sequence, l.global ? 0 : l.window + 1));
    plans.back().key_balance = target.weights.layers[static_cast<size_t>(source)].attention.key_balance;
    plans.back().scale = l.attention_scale;
  }
  std::vector<Draft> drafts;
  for (int n = 0; n < count; ++n) {
    const Tensor embedded = ops.embed(target.weights.embedding, std::span(&token, 1), target.config.embedding_scale);
    Tensor x = linear(c, d.pre_projection, ops.concat_columns(embedded, state));
    for (int i = 0; i < static_cast<int>(plans.size()); ++i) {
      x = drafter_layer(c, plans[static_cast<size_t>(i)], i, x, position);
    }
    const Tensor y = ops.rms_norm(x, &d.weights.norm, c.config.norm_eps);
    const Scores scores = scores_of(ops, d, y);
    state = linear(c, d.post_projection, y);
    token = scores.best();
    drafts.push_back({token, keep == DraftLogits::keep ? scores.whole(ops, c.config.vocab) : Tensor(), state});
  }
  return drafts;
}

}  // namespace gemma
