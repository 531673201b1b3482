// SPDX-License-Identifier: Apache-2.0
// Windows of tiny models, each read by SingleSequence at once and scored by the definitions, against what measure()
// makes of them in batches.
#include "eval/measure.h"

#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <random>

#include "cpu/cpu_ops.h"
#include "file/testing/files.h"
#include "model/single.h"

namespace gemma {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::TempFolder;

struct Backend {
  explicit Backend(int threads) : pool(threads), ops(make_cpu_ops(pool)) {}
  ThreadPool pool;
  std::unique_ptr<Ops> ops;
};

Backend& backend(int threads) {
  static Backend one(1), three(3);
  return threads == 1 ? one : three;
}

std::shared_ptr<const Model> load(const std::string& name, bool widen) {
  return Model::load(std::string(GEMMA4_GOLDEN) + "/" + name, *backend(1).ops, {.widen = widen});
}

WindowPlan random_plan(int n, int vocab, WindowOptions options) {
  std::mt19937 random(5);
  std::vector<int32_t> ids;
  for (int i = 0; i < n; ++i) ids.push_back(static_cast<int32_t>(random() % static_cast<unsigned>(vocab)));
  return plan_windows("t", ids, 2, options);
}

/** Logits of a window's rows that count, by another way. */
std::vector<std::vector<double>> rows_of(const Side& side, const WindowPlan& plan, const Window& window) {
  std::vector<int32_t> ids(plan.tokens.begin() + window.begin,
                           plan.tokens.begin() + window.begin + plan.options.context);
  if (plan.bos) ids[0] = *plan.bos;
  SingleSequence sequence(*side.model, *backend(1).ops, side.kv);
  const Tensor logits = sequence.logits(sequence.feed(batch_rows(ids)));
  std::vector<std::vector<double>> rows;
  for (int64_t r = window.first_row; r < plan.options.context - 1; ++r) {
    const auto row = logits.slice(r, 1);
    rows.emplace_back(row.data<float>().begin(), row.data<float>().end());
  }
  return rows;
}

std::vector<double> log_softmax(std::vector<double> x) {
  double sum = 0;
  for (const double v : x) sum += std::exp(v);
  for (double& v : x) v -= std::log(sum);
  return x;
}

struct Truth {
  double nll = 0, reference_nll = 0, kl = 0, same = 0;
  int64_t n = 0, bytes = 0;
};

Truth truth_of(const WindowPlan& plan, std::span<const int32_t> bytes, const Side& side, const Side& reference) {
  Truth t;
  for (const Window& w : plan.windows) {
    const auto q = rows_of(side, plan, w), p = rows_of(reference, plan, w);
    for (size_t r = 0; r < q.size(); ++r) {
      const auto at = static_cast<size_t>(w.begin + w.first_row) + r + 1;
      const auto target = static_cast<size_t>(plan.tokens[at]);
      const auto lq = log_softmax(q[r]), lp = log_softmax(p[r]);
      t.nll -= lq[target], t.reference_nll -= lp[target];
      for (size_t i = 0; i < lp.size(); ++i) t.kl += std::exp(lp[i]) * (lp[i] - lq[i]);
      t.same += std::ranges::max_element(lq) - lq.begin() == std::ranges::max_element(lp) - lp.begin();
      ++t.n, t.bytes += bytes[at];
    }
  }
  return t;
}

std::vector<int32_t> some_bytes(const WindowPlan& plan) {
  std::vector<int32_t> bytes;
  for (const int32_t id : plan.tokens) bytes.push_back(id % 7);
  return bytes;
}

class Measure : public ::testing::TestWithParam<const char*> {
 protected:
  std::shared_ptr<const Model> model_ = load(GetParam(), false), exact_ = load(GetParam(), true);
  const Side side_{model_.get(), {.types = *cache_types_named("bf16")}},
      reference_{exact_.get(), {.types = *cache_types_named("f32")}};
  WindowPlan plan_ = random_plan(170, exact_->config.vocab, {.context = 40, .skip = 11, .stride = 30});
  std::vector<int32_t> bytes_ = some_bytes(plan_);

  Measured run(std::vector<Side> sides, MeasureOptions options, int threads = 3) {
    Backend& b = backend(threads);
    return measure(plan_, bytes_, sides, *b.ops, b.pool, options);
  }
};

TEST_P(Measure, IsTheDefinition) {
  const Truth t = truth_of(plan_, bytes_, side_, reference_);
  ASSERT_EQ(t.n, plan_.rows());
  for (const int batch : {7, 40, 64, 100, 1000}) {
    for (const int threads : {1, 3}) {
      const Measured m = run({side_, reference_}, {.batch = batch}, threads);
      const auto n = static_cast<double>(t.n);
      EXPECT_TRUE(m.whole);
      EXPECT_EQ(m.summary.nll.count(), t.n);
      EXPECT_EQ(m.summary.bytes, t.bytes);
      EXPECT_NEAR(m.summary.nll.value(), t.nll / n, 1e-10);
      EXPECT_NEAR(m.summary.reference_nll.value(), t.reference_nll / n, 1e-10);
      EXPECT_NEAR(m.summary.kl.value(), t.kl / n, 1e-10);
      EXPECT_NEAR(m.summary.same_top.value(), t.same / n, 1e-10);
      EXPECT_GT(m.summary.kl.value(), 0);
    }
  }
  EXPECT_EQ(run({side_}, {.batch = 64}).summary.nll.value(), run({side_, reference_}, {}).summary.nll.value());
}

TEST_P(Measure, AModelDoesNotDifferFromItself) {
  const Measured m = run({side_, side_}, {});
  EXPECT_NEAR(m.summary.kl.value(), 0, 1e-14);
  EXPECT_EQ(m.summary.same_top.value(), 1);
  EXPECT_EQ(m.summary.nll_change.value(), 0);
}

TEST_P(Measure, KeptLogitsStandForTheModelThatRan) {
  const TempFolder folder;
  const int vocab = exact_->config.vocab;
  const Measured lockstep = run({side_, reference_}, {});
  for (const int kept : {vocab, 100}) {
    const std::string path = folder / "kept";
    LogitsWriter save(path, plan_, vocab, kept);
    run({reference_}, {.batch = 64, .save = &save});
    save.finish();
    LogitsReader reader(file_source(path));
    const Measured m = run({side_}, {.batch = 9, .reference = &reader});
    EXPECT_EQ(m.summary.nll.value(), lockstep.summary.nll.value());
    EXPECT_NEAR(m.summary.reference_nll.value(), lockstep.summary.reference_nll.value(), 1e-12);
    EXPECT_EQ(m.summary.same_top.value(), lockstep.summary.same_top.value());
    if (kept == vocab) {
      EXPECT_NEAR(m.summary.kl.value(), lockstep.summary.kl.value(), 1e-12);
    } else {
      EXPECT_LT(m.summary.kl.value(), lockstep.summary.kl.value());
      EXPECT_GT(m.summary.kl.value(), 0);
    }
  }
}

TEST_P(Measure, StopsWhenAsked) {
  int64_t seen = 0;
  const Measured m = run({side_}, {.batch = 80, .go_on = [&](int64_t n) { return (seen += n) < 150; }});
  EXPECT_FALSE(m.whole);
  EXPECT_EQ(seen, 160);
  EXPECT_EQ(m.summary.nll.count(), plan_.rows(plan_.windows[0]) + 3 * plan_.rows(plan_.windows[1]));
}

INSTANTIATE_TEST_SUITE_P(Models, Measure, ::testing::Values("gemma3_text", "e_text", "moe_text"),
                         [](const auto& each) { return std::string(each.param); });

TEST(Measure, RefusesLogitsThatAreNotFinite) {
  const auto model = load("gemma3_text", true);
  Model broken = *model;
  std::vector<float> norm(static_cast<size_t>(broken.config.dim), std::numeric_limits<float>::infinity());
  broken.weights.norm = Tensor::from(std::span<const float>(norm), Shape{broken.config.dim});
  const WindowPlan plan = random_plan(40, broken.config.vocab, {.context = 16, .skip = 8, .stride = 16});
  const std::vector<int32_t> bytes(plan.tokens.size(), 1);
  const std::vector<Side> sides{{&broken, {}}};
  Backend& b = backend(1);
  EXPECT_THAT(error_of([&] { measure(plan, bytes, sides, *b.ops, b.pool, {}); }),
              HasSubstr("not finite before token 9"));
}

TEST(Measure, SaysWhatItTakes) {
  const auto model = load("gemma3_text", true);
  const int64_t bytes = bytes_of_side({}, model->config, {}, 512);
  EXPECT_GT(bytes, 0);
  EXPECT_GT(bytes_of_side({}, model->config, {}, 4096), 4 * bytes);
  EXPECT_LT(bytes_of_side({}, model->config, {}, 16), bytes);
}

}  // namespace
}  // namespace gemma
