// SPDX-License-Identifier: Apache-2.0
// Drafters against the target's cache: five recurrent steps each, plain and with ordered embeddings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "golden.h"
#include "model/drafter.h"
#include "model/single.h"

namespace gemma::parity {
namespace {

struct Pair {
  std::string name, target;
};

void PrintTo(const Pair& pair, std::ostream* out) { *out << pair.name; }

class DrafterParity : public testing::TestWithParam<Pair> {};

Tensor rows_of(const std::vector<Draft>& drafts, Tensor Draft::* part) {
  std::vector<float> all;
  for (const Draft& d : drafts) {
    const auto row = (d.*part).data<float>();
    all.insert(all.end(), row.begin(), row.end());
  }
  return Tensor::from(std::span(all), Shape{static_cast<int64_t>(drafts.size()), (drafts[0].*part).cols()});
}

/** Drafts of one drafter after one prompt; `page_size` 2 keeps no key more than the drafter sees. */
void expect_drafts(const Case& golden_case, const std::string& at, const Model& target, const Drafter& drafter,
                   const std::vector<int32_t>& ids, int page_size) {
  SingleSequence sequence(target, cpu_ops(), {.types = *cache_types_named("f32"), .page_size = page_size});
  Batch batch = batch_rows(ids);
  batch.wanted = {static_cast<int32_t>(ids.size()) - 1};
  const Tensor state = sequence.feed(batch);
  const int32_t token = greedy_choice(sequence.logits(state).data<float>(), target.config.special.suppress);
  EXPECT_EQ(token, golden_case.ids(at + "seed_token")[0]);
  const Tensor hidden = golden_case.tensor(at + "seed_hidden");
  const std::string row = golden_case.name() + " " + at.substr(0, at.find('/'));
  compare(row, "seed_hidden", state.view(hidden.shape()), hidden, {});

  const auto expected = golden_case.ids(at + "draft_ids");
  const auto drafts = draft(cpu_ops(), drafter, target, sequence.cache(), sequence.id(), token, state,
                            static_cast<int32_t>(ids.size()), static_cast<int>(expected.size()), DraftLogits::keep);
  std::vector<int32_t> found;
  for (const Draft& d : drafts) found.push_back(d.token);
  EXPECT_EQ(found, expected);
  compare(row, "logits", rows_of(drafts, &Draft::logits), golden_case.tensor(at + "draft_logits"), {1e-2, 0});
  compare(row, "state", rows_of(drafts, &Draft::state), golden_case.tensor(at + "draft_state"), {1e-2, 0});
}

TEST_P(DrafterParity, FiveStepsAfterEachPrompt) {
  const Case golden_case(GetParam().name), target_case(GetParam().target);
  const auto target = load(GetParam().target, "config.json", true);
  for (const auto& entry : golden_case.cases().at("drafters").as_object()) {
    const std::string name = entry.key();
    const auto drafter =
        Drafter::load(golden(golden_case.name() + "/" + name), target->config, cpu_ops(), {.widen = true});
    for (const auto& prompt : entry.value().as_object()) {
      if (!prompt.value().is_object()) continue;
      const std::string at = name + "/" + std::string(prompt.key()) + "/";
      SCOPED_TRACE(at);
      const auto ids = target_case.ids(std::string(prompt.key()) + "/input_ids");
      for (const int page_size : {64, 2}) expect_drafts(golden_case, at, *target, *drafter, ids, page_size);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Drafters, DrafterParity,
                         testing::Values(Pair{"assistant", "e_text"}, Pair{"unified_assistant", "unified_text"}),
                         [](const testing::TestParamInfo<Pair>& pair) { return pair.param.name; });

TEST(DrafterParity, DraftersThatDoNotFitAreRefused) {
  const auto target = load("e_text", "config.json", true);
  EXPECT_THROW(Drafter::load(golden("unified_assistant/draft_plain"), target->config, cpu_ops(), {}), Error);
  EXPECT_THROW(Drafter::load(golden("e_text"), target->config, cpu_ops(), {}), Error);
  EXPECT_THROW(Model::load(golden("assistant/draft_plain"), cpu_ops(), {}), Error);
}

}  // namespace
}  // namespace gemma::parity
