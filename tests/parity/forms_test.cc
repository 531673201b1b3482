// SPDX-License-Identifier: Apache-2.0
// The same weights in other files: as GGUF they give the same logits to the bit, in each way that GGUF stores them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "gguf_form.h"
#include "golden.h"
#include "model/drafter.h"
#include "model/single.h"

namespace gemma::parity {
namespace {

std::vector<float> logits_of(const Model& model, const std::vector<int32_t>& ids) {
  SingleSequence sequence(model, cpu_ops(), {.types = *cache_types_named("f32")});
  const auto values = sequence.logits(sequence.feed(batch_rows(ids))).data<float>();
  return {values.begin(), values.end()};
}

class Forms : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    file_ = open(golden(GetParam()));
    config_ = Config::from(*file_);
    ids_ = Case(GetParam()).ids("p_long/input_ids");
  }
  std::shared_ptr<const Model> load_as(GgufForm form, bool widen) const {
    return Model::load(as_gguf(*file_, config_, form), cpu_ops(), {.widen = widen});
  }

  std::shared_ptr<const ModelFile> file_;
  Config config_;
  std::vector<int32_t> ids_;
};

TEST_P(Forms, GgufOfTheSameTypeIsTheSameModel) {
  const auto original = logits_of(*Model::load(file_, cpu_ops(), {.widen = true}), ids_);
  const auto plain = load_as({}, true);
  EXPECT_EQ(plain->config.special.suppress, config_.special.suppress);
  EXPECT_EQ(logits_of(*plain, ids_), original);
  EXPECT_EQ(logits_of(*load_as({.fused = true}, true), ids_), original);
  EXPECT_EQ(logits_of(*load_as({.dtype = DType::bf16}, true), ids_), original);  // goldens are bf16 values
}

/** Not exact by nature; a table that is read wrongly would be far off. */
TEST_P(Forms, QuantizedWeightsAreNear) {
  const auto original = logits_of(*Model::load(file_, cpu_ops(), {.widen = true}), ids_);
  const auto found = logits_of(*load_as({.dtype = DType::q8_0}, false), ids_);
  double error = 0, size = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    error += std::pow(double{found[i]} - double{original[i]}, 2);
    size += std::pow(double{original[i]}, 2);
  }
  EXPECT_LT(std::sqrt(error / size), 0.25);
}

INSTANTIATE_TEST_SUITE_P(Models, Forms,
                         testing::Values("e_text", "dense_text", "moe_text", "unified_text", "gemma3_text"),
                         [](const testing::TestParamInfo<const char*>& name) { return std::string(name.param); });

TEST(Forms, AnUntiedHeadIsUsed) {
  const auto file = open(golden("dense_text"));
  Config config = Config::from(*file);
  config.tied_head = false;
  try {
    Model::load(file, config, cpu_ops(), {});
    FAIL() << "there is no lm_head.weight";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("tensor 'lm_head.weight' is missing (expected [512, 64])"));
  }
}

TEST(Forms, DraftersReadFromGgufAreTheSame) {
  const auto target = load("e_text", "config.json", true);
  const std::vector<int32_t> ids = Case("e_text").ids("p_short/input_ids");
  const std::string path = golden("assistant/draft_ordered");
  const auto file = open(path);
  const auto from_gguf = as_gguf(*file, DrafterConfig::from(*file));
  EXPECT_TRUE(is_drafter(*from_gguf));
  const auto plain = Drafter::load(path, target->config, cpu_ops(), {.widen = true});
  const auto other = Drafter::load(*from_gguf, target->config, cpu_ops(), {.widen = true});
  EXPECT_EQ(other->config.top_centroids, 6);
  EXPECT_EQ(other->token_ordering, plain->token_ordering);
  SingleSequence sequence(*target, cpu_ops(), {.types = *cache_types_named("f32")});
  Batch batch = batch_rows(ids);
  batch.wanted = {4};
  const Tensor state = sequence.feed(batch);
  for (const auto& pair : {0, 4}) {
    const auto a =
        draft(cpu_ops(), *plain, *target, sequence.cache(), sequence.id(), pair, state, 5, 3, DraftLogits::keep);
    const auto b =
        draft(cpu_ops(), *other, *target, sequence.cache(), sequence.id(), pair, state, 5, 3, DraftLogits::keep);
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_TRUE(std::ranges::equal(a[i].logits.data<float>(), b[i].logits.data<float>()));
    }
  }
}

}  // namespace
}  // namespace gemma::parity
