// SPDX-License-Identifier: Apache-2.0
#include "media_case.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"

namespace gemma::parity {
namespace {

Patches patches_of(const Tensor& bytes, const Tensor& places) {
  Patches patches{bytes, 0};
  const auto xy = places.data<int32_t>();
  while (2 * patches.columns < std::ssize(xy) && xy[static_cast<size_t>(2 * patches.columns + 1)] == 0) {
    ++patches.columns;
  }
  for (int64_t i = 0; i < bytes.rows(); ++i) {
    EXPECT_EQ(xy[static_cast<size_t>(2 * i)], i % patches.columns);
    EXPECT_EQ(xy[static_cast<size_t>(2 * i + 1)], i / patches.columns);
  }
  return patches;
}

/** The pictures of a prompt, or the frames of its film. */
std::vector<Patches> pictures(const Case& c, const std::string& prompt, Kind kind) {
  std::vector<Patches> all;
  if (kind == Kind::image) {
    for (int i = 0;; ++i) {
      const std::string at = fmt::format("{}/image{}.", prompt, i);
      const Tensor bytes = c.tensor(at + "patches_u8");
      if (!bytes.defined()) return all;
      all.push_back(patches_of(bytes, c.tensor(at + "positions_xy")));
    }
  }
  const Tensor bytes = c.tensor(prompt + "/video.patches_u8"), places = c.tensor(prompt + "/video.positions_xy");
  if (!bytes.defined()) return all;
  const int64_t frames = bytes.shape()[0], rows = bytes.shape()[1];
  for (int64_t f = 0; f < frames; ++f) {
    all.push_back(patches_of(bytes.slice(f * rows, rows), places.slice(f * rows, rows)));
  }
  return all;
}

Tensor whole(Encoding encoding) {
  while (!encoding.done()) encoding.advance();
  return encoding.soft_tokens();
}

/** The frames that are sound: padding is behind them. */
Tensor sound_alone(const Tensor& features, const Tensor& mask) {
  const auto valid = mask.data<uint8_t>();
  const auto end = std::find(valid.begin(), valid.end(), uint8_t{0});
  EXPECT_EQ(std::find(end, valid.end(), uint8_t{1}), valid.end()) << "padding is at the end";
  return features.slice(0, end - valid.begin());
}

}  // namespace

MediaModel load_media(const std::string& folder, const std::string& config, bool widen, AudioWindow window) {
  MediaModel model{load(folder, config, widen), nullptr};
  const json::value keys = parse_json_or_fail(config, read_file(golden(folder + "/" + config)));
  MediaConfig media = MediaConfig::from_json(config, keys);
  if (media.audio && window == AudioWindow::reference) media.audio->window = media.audio->distances - 1;
  model.encoders =
      Encoders::load(*open(golden(folder)), std::move(media), model.text->config, cpu_ops(), {.widen = widen});
  return model;
}

MediaInputs media_inputs(const Case& c, const std::string& prompt) {
  MediaInputs inputs;
  for (const Kind kind : {Kind::image, Kind::video}) {
    for (const Patches& picture : pictures(c, prompt, kind)) inputs[kind].push_back({picture, {}});
  }
  for (int i = 0;; ++i) {
    const Tensor features = c.tensor(fmt::format("{}/audio{}.features", prompt, i));
    if (!features.defined()) return inputs;
    const Tensor mask = c.tensor(fmt::format("{}/audio{}.mask", prompt, i));
    // Of samples every frame counts.
    inputs[Kind::audio].push_back({{}, mask.defined() ? sound_alone(features, mask) : features});
  }
}

SoftTokens encode(const MediaModel& model, const Case& c, const std::string& prompt) {
  SoftTokens soft;
  for (const auto& [kind, inputs] : media_inputs(c, prompt)) {
    for (const MediaInput& input : inputs) {
      soft[kind].push_back(whole(Encoding::of(cpu_ops(), *model.encoders, input)));
    }
  }
  return soft;
}

Batch media_batch(const Case& c, const std::string& prompt, const SoftTokens& soft) {
  Batch batch = batch_rows(c.ids(prompt + "/input_ids"));
  const std::vector<int32_t> types = c.ids(prompt + "/mm_token_type_ids");
  std::map<Kind, size_t> used;
  for (size_t i = 0, end; i < types.size(); i = end) {
    for (end = i + 1; end < types.size() && types[end] == types[i];) ++end;
    const auto kind = static_cast<Kind>(types[i]);
    if (kind == Kind::text) continue;
    const auto rows = static_cast<int64_t>(end - i);
    const auto& parts = soft.at(kind);
    const size_t n = used[kind]++;
    EXPECT_LT(n, parts.size());
    EXPECT_EQ(parts[n].rows(), rows) << "soft tokens and places";
    batch.media.push_back({static_cast<int64_t>(i), rows, kind != Kind::audio, parts[n], 0});
  }
  for (const auto& [kind, parts] : soft) EXPECT_EQ(used[kind], parts.size()) << "a place for all";
  return batch;
}

Tensor stacked(const std::vector<Tensor>& parts) {
  int64_t rows = 0;
  for (const Tensor& part : parts) rows += part.rows();
  Tensor all = Tensor::host(parts[0].dtype(), Shape{rows, parts[0].cols()});
  auto to = all.raw_mutable().begin();
  for (const Tensor& part : parts) to = std::copy(part.raw().begin(), part.raw().end(), to);
  return all;
}

Tensor part_of(const Tensor& padded, size_t n, int64_t rows) {
  const int64_t each = padded.shape().rank == 3 ? padded.shape()[1] : padded.rows();
  EXPECT_LE(rows, each);
  return padded.slice(static_cast<int64_t>(n) * each, rows);
}

}  // namespace gemma::parity
