// SPDX-License-Identifier: Apache-2.0
// Every prompt of every text case: hidden states, the inside of layers, logits, greedy ids; in both forms of configs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "golden.h"
#include "model/single.h"

namespace gemma::parity {
namespace {

struct Form {
  std::string name, folder, config;
};

void PrintTo(const Form& form, std::ostream* out) { *out << form.folder << "/" << form.config; }

const Form kForms[] = {
    {"e_text", "e_text", "config.json"},
    {"e_text", "e_text", "config_hub.json"},
    {"e_text", "e_text/hub_style", "config.json"},
    {"dense_text", "dense_text", "config.json"},
    {"dense_text", "dense_text", "config_hub.json"},
    {"moe_text", "moe_text", "config.json"},
    {"moe_text", "moe_text", "config_hub.json"},
    {"unified_text", "unified_text", "config.json"},
    {"unified_text", "unified_text", "config_hub.json"},
    {"unified_text", "unified_text/hub_style", "config.json"},
    {"gemma3_text", "gemma3_text", "config.json"},
};

class Parity : public testing::TestWithParam<Form> {};

Batch batch_of(const Case& c, const std::string& prompt) {
  Batch batch = batch_rows(c.ids(prompt + "/input_ids"));
  if (const auto positions = c.ids(prompt + "/position_ids"); !positions.empty()) batch.positions = positions;
  return batch;
}

/** "layer.4.attn.q" -> "attn.q"; "hidden.3" -> "hidden". */
std::string kind_of(const std::string& name) {
  if (name.starts_with("hidden")) return "hidden";
  return name.starts_with("layer.") ? name.substr(name.find('.', 6) + 1) : name;
}

bool is_exact(const std::string& kind) { return kind == "attn.mask" || kind == "router.index"; }

TEST_P(Parity, EveryTensorOfEveryPrompt) {
  const Case golden_case(GetParam().name);
  const auto model = load(GetParam().folder, GetParam().config, true);
  const std::string row = GetParam().folder + " " + GetParam().config;
  for (const std::string& prompt : golden_case.prompts()) {
    SCOPED_TRACE(prompt);
    Trace trace(cpu_ops(), [](std::string_view) { return true; });
    SingleSequence sequence(*model, cpu_ops(), {.types = *cache_types_named("f32")});
    const Tensor found = sequence.logits(sequence.feed(batch_of(golden_case, prompt)));
    const Tensor logits = golden_case.tensor(prompt + "/logits");
    ASSERT_TRUE(logits.defined());
    compare(row, "logits", found, logits, golden_case.logits_tolerance(prompt));
    for (const std::string& full : golden_case.names(prompt + "/")) {
      const std::string name = full.substr(prompt.size() + 1);
      if (name == "logits" || name.starts_with("greedy") || name.ends_with("_ids")) continue;
      const Tensor* tapped = trace.find(name);
      ASSERT_NE(tapped, nullptr) << name << " is in the goldens and was not tapped";
      const std::string kind = kind_of(name);
      compare(row, kind, *tapped, golden_case.tensor(full), is_exact(kind) ? Tolerance{1e-9, 0} : Tolerance{});
    }
  }
}

/** Greedy ids and their logits, with pages so small that windows leave most of them behind, and with ordinary ones. */
TEST_P(Parity, GreedyWithCache) {
  const Case golden_case(GetParam().name);
  const auto model = load(GetParam().folder, GetParam().config, true);
  const auto expected = golden_case.ids("p_long/greedy_ids");
  const std::vector<int32_t> ids = golden_case.ids("p_long/input_ids");
  for (const int page_size : {64, 3}) {
    SingleSequence sequence(*model, cpu_ops(), {.types = *cache_types_named("f32"), .page_size = page_size});
    Batch batch = batch_rows(ids);
    batch.wanted = {static_cast<int32_t>(ids.size()) - 1};
    std::vector<int32_t> chosen;
    std::vector<float> rows;
    for (int32_t position = static_cast<int32_t>(ids.size()); chosen.size() < expected.size(); ++position) {
      const Tensor logits = sequence.logits(sequence.feed(batch));
      const auto values = logits.data<float>();
      rows.insert(rows.end(), values.begin(), values.end());
      chosen.push_back(greedy_choice(values, model->config.special.suppress));
      batch = batch_rows(std::span(&chosen.back(), 1), position);
    }
    EXPECT_EQ(chosen, expected);
    const Tensor logits = golden_case.tensor("p_long/greedy_logits");
    compare(GetParam().folder + " " + GetParam().config, "greedy_logits", Tensor::from(std::span(rows), logits.shape()),
            logits, {});
  }
}

/** The mode people run: weights as stored, bf16 cache. Rounding flips an expert or a close choice now and then, so what
 *  holds is the error as a whole and most of the best tokens. */
TEST_P(Parity, AsPeopleRunIt) {
  const Case golden_case(GetParam().name);
  const auto model = load(GetParam().folder, GetParam().config, false);
  SingleSequence sequence(*model, cpu_ops(), {});
  const Tensor found = sequence.logits(sequence.feed(batch_of(golden_case, "p_long")));
  const Tensor expected = golden_case.tensor("p_long/logits");
  const auto a = found.data<float>(), b = expected.data<float>();
  const auto vocab = static_cast<size_t>(expected.cols());
  double error = 0, size = 0, agree = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    error += (double{a[i]} - double{b[i]}) * (double{a[i]} - double{b[i]});
    size += double{b[i]} * double{b[i]};
  }
  for (size_t row = 0; row < b.size(); row += vocab) {
    agree += greedy_choice(a.subspan(row, vocab), {}) == greedy_choice(b.subspan(row, vocab), {});
  }
  EXPECT_LT(std::sqrt(error / size), 0.25);  // the model with experts: 0.16; others: below 0.1
  EXPECT_GT(agree / static_cast<double>(expected.rows()), 0.8);
}

std::string name_of_form(const testing::TestParamInfo<Form>& form) {
  std::string name = form.param.folder + "_" + form.param.config;
  std::replace_if(name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Text, Parity, testing::ValuesIn(kForms), name_of_form);

}  // namespace
}  // namespace gemma::parity
