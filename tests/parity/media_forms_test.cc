// SPDX-License-Identifier: Apache-2.0
// The same encoders in other files: as mmproj files of llama.cpp, under the names of dumped states.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/file.h"
#include "media_case.h"

namespace gemma::parity {
namespace {

using Names = std::vector<std::pair<std::string, std::string>>;

/** The safetensors file of a golden with parts of its tensors' names replaced. */
std::shared_ptr<const ModelFile> renamed(const std::string& folder, const Names& names) {
  const std::string file = read_file(golden(folder + "/model.safetensors"));
  uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  std::string header = file.substr(sizeof length, length);
  for (const auto& [from, to] : names) {
    size_t at = header.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    for (; at != std::string::npos; at = header.find(from, at + to.size())) header.replace(at, from.size(), to);
  }
  const uint64_t changed = header.size();
  std::string bytes(reinterpret_cast<const char*>(&changed), sizeof changed);
  bytes += header + file.substr(sizeof length + length);
  const auto* first = reinterpret_cast<const std::byte*>(bytes.data());
  std::vector<std::unique_ptr<ByteSource>> sources;
  sources.push_back(memory_source(folder, {first, first + bytes.size()}));
  return std::make_shared<const ModelFile>(
      ModelFile::open(std::move(sources), {{"config.json", read_file(golden(folder + "/config.json"))}}));
}

/** The encoders of `file` give the soft tokens of the golden folder's own; largest difference that is allowed. */
void expect_the_same(const ModelFile& file, const std::string& folder, float apart = 0.0f) {
  const Case golden_case(folder);
  const MediaModel original = load_media(folder, "config.json", true, AudioWindow::trained);
  const MediaModel other{original.text, Encoders::load(file, original.text->config, cpu_ops(), {.widen = true})};
  for (const std::string& prompt : golden_case.prompts()) {
    const SoftTokens expected = encode(original, golden_case, prompt), found = encode(other, golden_case, prompt);
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [kind, parts] : expected) {
      for (size_t n = 0; n < parts.size(); ++n) {
        const auto truth = parts[n].data<float>(), values = found.at(kind)[n].data<float>();
        ASSERT_EQ(values.size(), truth.size());
        float worst = 0;
        for (size_t i = 0; i < truth.size(); ++i) worst = std::max(worst, std::abs(values[i] - truth[i]));
        EXPECT_LE(worst, apart) << prompt << " kind " << static_cast<int>(kind);
      }
    }
  }
}

/** Files that llama.cpp's converter wrote of the same checkpoints; it rounds softplus(per_dim_scale) to f32. */
TEST(MediaForms, FilesOfLlamaCpp) {
  expect_the_same(*open(golden("mmproj/dense_vision.gguf")), "dense_vision");
  expect_the_same(*open(golden("mmproj/unified_mixed.gguf")), "unified_mixed");
  expect_the_same(*open(golden("mmproj/mixed.gguf")), "mixed", 2e-5f);
}

TEST(MediaForms, NamesOfADumpedState) {
  expect_the_same(*renamed("unified_mixed", {{"model.embed_vision.embedding_projection",
                                              "model.embed_vision.multimodal_embedder.embedding_projection"},
                                             {"model.vision_embedder.", "model.embed_vision."}}),
                  "unified_mixed");
}

TEST(MediaForms, NamesWithoutAPrefix) {
  const Names names{{"model.language_model.", "language_model.model."},
                    {"model.vision_tower.", "vision_tower."},
                    {"model.audio_tower.", "audio_tower."},
                    {"model.embed_", "embed_"}};
  expect_the_same(*renamed("mixed", names), "mixed");
}

}  // namespace
}  // namespace gemma::parity
