// SPDX-License-Identifier: Apache-2.0
// Every prompt of every case with pictures, film or sound: what the encoders make of the stored patches and features,
// and what the text model makes of that; in both forms of configs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "media_case.h"

namespace gemma::parity {
namespace {

struct Form {
  std::string name, config;
};

void PrintTo(const Form& form, std::ostream* out) { *out << form.name << "/" << form.config; }

std::vector<Form> forms(std::initializer_list<const char*> cases) {
  std::vector<Form> all;
  for (const std::string name : cases) {
    for (const char* config : {"config.json", "config_hub.json"}) all.push_back({name, config});
  }
  return all;
}

class Media : public testing::TestWithParam<Form> {
 protected:
  const Case case_{GetParam().name};
  const MediaModel model_ = load_media(GetParam().name, GetParam().config, true);
  const std::string row_ = GetParam().name + " " + GetParam().config;

  /** Prompts that go on to the text model. */
  std::vector<std::string> whole_prompts() const {
    std::vector<std::string> names;
    for (const std::string& prompt : case_.prompts()) {
      if (case_.tensor(prompt + "/input_ids").defined()) names.push_back(prompt);
    }
    return names;
  }
};

/** "vision.layer.0.attn.q" -> "vision.attn.q"; "vision.hidden.3" -> "vision.hidden". */
std::string kind_of(const std::string& name) {
  const std::string part = name.substr(0, name.find('.') + 1);
  const std::string rest = name.substr(part.size());
  if (rest.starts_with("hidden")) return part + "hidden";
  return rest.starts_with("layer.") ? part + rest.substr(rest.find('.', 6) + 1) : name;
}

/** What passed under a name, encoding by encoding. */
std::vector<Tensor> all_tapped(Trace& trace, const std::string& name) {
  std::vector<Tensor> parts;
  for (const auto& [each, tensor] : trace.tensors()) {
    if (each == name) parts.push_back(tensor);
  }
  return parts;
}

/** [time, bins, channels] of ours -> [channels, time, bins]. */
Tensor channels_first(const Tensor& x) {
  const int64_t time = x.shape()[0], bins = x.shape()[1], channels = x.shape()[2];
  Tensor out = Tensor::host(DType::f32, Shape{channels, time, bins});
  for (int64_t i = 0; i < x.shape().count(); ++i) {
    out.data_mutable<float>()[static_cast<size_t>(i % channels * time * bins + i / channels)] =
        x.data<float>()[static_cast<size_t>(i)];
  }
  return out;
}

/** Whether a golden is of an encoder, as the reference window has it. */
bool is_of_encoder(const std::string& name) {
  return name.starts_with("vision.") || name == "video.soft_tokens" ||
         (name.starts_with("audio.") && !name.starts_with("audio.wide"));
}

TEST_P(Media, EncodersAsTheReference) {
  for (const std::string& prompt : case_.prompts()) {
    SCOPED_TRACE(prompt);
    Trace trace(cpu_ops(), [](std::string_view) { return true; });
    encode(model_, case_, prompt);
    for (const std::string& full : case_.names(prompt + "/")) {
      const std::string name = full.substr(prompt.size() + 1);
      if (!is_of_encoder(name)) continue;
      const bool frames = name == "video.soft_tokens";  // which come after pictures
      const std::vector<Tensor> found = all_tapped(trace, frames ? "vision.soft_tokens" : name);
      const Tensor expected = case_.tensor(full);
      ASSERT_FALSE(found.empty()) << name << " is in the goldens and was not tapped";
      if (name.starts_with("audio.conv")) {
        compare(row_, "audio.conv", channels_first(found[0]), expected, {});
      } else if (name.starts_with("audio.") && expected.shape().rank == 3) {  // clips are padded to one length
        for (size_t n = 0; n < found.size(); ++n) {
          compare(row_, kind_of(name), found[n], part_of(expected, n, found[n].rows()), {});
        }
      } else {
        const Tensor all = found.size() == 1 ? found[0] : stacked(found);
        const int64_t rows = expected.rows(), first = frames ? all.rows() - rows : 0;
        compare(row_, kind_of(name), all.rows() == rows ? all : all.slice(first, rows), expected, {});
      }
    }
  }
}

class Sound : public Media {};

/** The other window: one frame more is seen. */
TEST_P(Sound, AsModelsWereTrained) {
  const MediaModel wide = load_media(GetParam().name, GetParam().config, true, AudioWindow::trained);
  int compared = 0;
  for (const std::string& prompt : case_.prompts()) {
    const Tensor expected = case_.tensor(prompt + "/audio.wide_window.soft_tokens");
    if (!expected.defined()) continue;
    const std::vector<Tensor> found = encode(wide, case_, prompt).at(Kind::audio);
    for (size_t n = 0; n < found.size(); ++n) {
      compare(row_, "audio.wide_window", found[n], part_of(expected, n, found[n].rows()), {});
      ++compared;
    }
  }
  EXPECT_GT(compared, 0);
}

TEST_P(Media, LogitsAndStates) {
  for (const std::string& prompt : whole_prompts()) {
    SCOPED_TRACE(prompt);
    const Batch batch = media_batch(case_, prompt, encode(model_, case_, prompt));
    Trace trace(cpu_ops(),
                [](std::string_view name) { return !name.starts_with("vision.") && !name.starts_with("audio."); });
    SingleSequence sequence(*model_.text, cpu_ops(), {.types = *cache_types_named("f32")});
    const Tensor state = sequence.feed(batch);
    const Tensor logits = case_.tensor(prompt + "/logits_tail");
    const int64_t tail = logits.rows();
    compare(row_, "logits", sequence.logits(state.slice(state.rows() - tail, tail)), logits, {});
    for (const char* name : {"hidden.0", "ple.combined", "final_norm", "layer.0.attn.mask"}) {
      const Tensor expected = case_.tensor(prompt + "/" + name);
      if (!expected.defined()) continue;
      ASSERT_NE(trace.find(name), nullptr) << name;
      compare(row_, name, *trace.find(name), expected, {});
    }
  }
}

class Overlay : public Media {};

/** The other rule of masks: blocks are seen whole on every layer (spec: gemma4_unified.md section 8). */
TEST_P(Overlay, LogitsUnderTheOtherMasks) {
  int compared = 0;
  for (const std::string& prompt : whole_prompts()) {
    SCOPED_TRACE(prompt);
    const Tensor logits = case_.tensor(prompt + "/overlay_mask.logits_tail");
    if (!logits.defined()) continue;
    const KvOptions options{.types = *cache_types_named("f32"), .media_overlay = true};
    SingleSequence sequence(*model_.text, cpu_ops(), options);
    const Tensor state = sequence.feed(media_batch(case_, prompt, encode(model_, case_, prompt)));
    const int64_t tail = logits.rows();
    compare(row_, "overlay", sequence.logits(state.slice(state.rows() - tail, tail)), logits, {});
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

TEST_P(Media, GreedyWithCache) {
  for (const std::string& prompt : whole_prompts()) {
    SCOPED_TRACE(prompt);
    const auto expected = case_.ids(prompt + "/greedy_ids");
    if (expected.empty()) continue;
    SingleSequence sequence(*model_.text, cpu_ops(), {.types = *cache_types_named("f32"), .page_size = 7});
    Batch batch = media_batch(case_, prompt, encode(model_, case_, prompt));
    auto position = static_cast<int32_t>(batch.tokens.size());
    batch.wanted = {position - 1};
    std::vector<int32_t> chosen;
    std::vector<float> rows;
    while (chosen.size() < expected.size()) {
      const Tensor logits = sequence.logits(sequence.feed(batch));
      const auto values = logits.data<float>();
      rows.insert(rows.end(), values.begin(), values.end());
      chosen.push_back(greedy_choice(values, model_.text->config.special.suppress));
      batch = batch_rows(std::span(&chosen.back(), 1), position++);
    }
    EXPECT_EQ(chosen, expected);
    const Tensor logits = case_.tensor(prompt + "/greedy_logits");
    compare(row_, "greedy_logits", Tensor::from(std::span<const float>(rows), logits.shape()), logits, {});
  }
}

/** The mode people run: weights as stored, bf16 cache. Rounding shows; what holds is the error as a whole. */
TEST_P(Media, AsPeopleRunIt) {
  const MediaModel model = load_media(GetParam().name, GetParam().config, false);
  const std::string prompt = whole_prompts().front();
  double error = 0, size = 0;
  const SoftTokens found = encode(model, case_, prompt), expected = encode(model_, case_, prompt);
  for (const auto& [kind, parts] : expected) {
    for (size_t n = 0; n < parts.size(); ++n) {
      const auto a = found.at(kind)[n].data<float>(), b = parts[n].data<float>();
      for (size_t i = 0; i < b.size(); ++i) {
        error += (double{a[i]} - double{b[i]}) * (double{a[i]} - double{b[i]});
        size += double{b[i]} * double{b[i]};
      }
    }
  }
  EXPECT_GT(error, 0.0);
  EXPECT_LT(std::sqrt(error / size), 0.02);
}

std::string name_of_form(const testing::TestParamInfo<Form>& form) {
  std::string name = form.param.name + "_" + form.param.config;
  std::replace_if(name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, Media,
                         testing::ValuesIn(forms({"e_vision", "dense_vision", "moe_vision", "e_audio", "e_video",
                                                  "dense_mixed_video", "mixed", "unified_vision", "unified_audio",
                                                  "unified_video", "unified_mixed"})),
                         name_of_form);
INSTANTIATE_TEST_SUITE_P(All, Overlay, testing::ValuesIn(forms({"unified_vision", "unified_video", "unified_mixed"})),
                         name_of_form);
INSTANTIATE_TEST_SUITE_P(All, Sound, testing::ValuesIn(forms({"e_audio", "mixed"})), name_of_form);

}  // namespace
}  // namespace gemma::parity
