// SPDX-License-Identifier: Apache-2.0
#include "media_case.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"

namespace gemma::parity {
namespace {

MediaInput picture(const Tensor& squares, const Tensor& places) {
  Result<MediaInput> input = picture_input(squares, places);
  EXPECT_TRUE(input.ok()) << input.failure().message();
  return std::move(input).value();
}

/** The pictures of a prompt, or the frames of its film. */
std::vector<MediaInput> pictures(const Case& c, const std::string& prompt, Kind kind) {
  std::vector<MediaInput> all;
  if (kind == Kind::image) {
    for (int i = 0;; ++i) {
      const std::string at = fmt::format("{}/image{}.", prompt, i);
      const Tensor bytes = c.tensor(at + "patches_u8");
      if (!bytes.defined()) return all;
      all.push_back(picture(bytes, c.tensor(at + "positions_xy")));
    }
  }
  const Tensor bytes = c.tensor(prompt + "/video.patches_u8"), places = c.tensor(prompt + "/video.positions_xy");
  if (!bytes.defined()) return all;
  const int64_t frames = bytes.shape()[0], rows = bytes.shape()[1];
  for (int64_t f = 0; f < frames; ++f) {
    all.push_back(picture(bytes.slice(f * rows, rows), places.slice(f * rows, rows)));
  }
  return all;
}

Tensor whole(Encoding encoding) {
  while (!encoding.done()) encoding.advance();
  return encoding.soft_tokens();
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
    inputs[kind] = pictures(c, prompt, kind);
  }
  for (int i = 0;; ++i) {
    const Tensor features = c.tensor(fmt::format("{}/audio{}.features", prompt, i));
    if (!features.defined()) return inputs;
    // Of samples every frame counts: there is no mask.
    Result<MediaInput> clip = sound_input(features, c.tensor(fmt::format("{}/audio{}.mask", prompt, i)));
    EXPECT_TRUE(clip.ok()) << clip.failure().message();
    inputs[Kind::audio].push_back(std::move(clip).value());
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
