// SPDX-License-Identifier: Apache-2.0
#include "media/resize.h"

#include <gmock/gmock.h>

#include "base/platform.h"
#include "file/testing/files.h"
#include "media/image_size.h"
#include "media/patches.h"
#include "media/resize_passes.h"
#include "media/testing/samples.h"

namespace gemma::media {
namespace {

using testing::as_processor;
using testing::decode;
using testing::kPreprocess;
using testing::kSamples;

json::value preprocess() { return testing::golden_json(kPreprocess + "preprocess.json"); }

int number(const json::value& row, std::string_view key) { return static_cast<int>(row.at(key).as_int64()); }

TEST(TargetSize, EveryRowOfTheGoldens) {
  int rows = 0;
  const json::value golden = preprocess();
  for (const json::value& row : golden.at("image_sizes").as_array()) {
    const Grid grid{number(row, "patch_size"), number(row, "pooling_kernel_size")};
    const Result<TargetSize> size =
        target_size(number(row, "width"), number(row, "height"), number(row, "max_soft_tokens"), grid);
    ASSERT_TRUE(size.ok()) << row;
    EXPECT_EQ(size.value().width, row.at("target_width")) << row;
    EXPECT_EQ(size.value().height, row.at("target_height")) << row;
    EXPECT_EQ(size.value().soft_tokens, row.at("soft_tokens")) << row;
    ++rows;
  }
  EXPECT_EQ(rows, 540);
}

TEST(TargetSize, TheReferencesOwnRefusals) {
  EXPECT_THAT(target_size(100, 100, 0).failure().reason, ::testing::HasSubstr("comes to 0 x 0"));
  // 10 to 1 with room for 8 cells: one row of 10 cells is asked for, and 8 are given.
  EXPECT_EQ(target_size(10000, 1, 70).value().width, 70 * 48);
  EXPECT_EQ(target_size(1, 10000, 70).value().height, 70 * 48);
  EXPECT_EQ(target_size(1, 1, 70).value().soft_tokens, 64);
  EXPECT_FALSE(target_size(0, 5, 70).ok());
}

/** The pictures that the reference made are kept as check sums. A JPEG is taken as Pillow decoded it. */
TEST(Resize, EqualsTheReferenceToTheBit) {
  int cases = 0;
  const json::value golden = preprocess(), sums = testing::golden_json(kPreprocess + "checksums.json");
  for (const json::value& row : golden.at("image_resize").at("cases").as_array()) {
    std::string file(row.at("file").as_string());
    SCOPED_TRACE(file);
    if (file.ends_with(".jpg")) file.replace(file.size() - 4, 4, ".decoded.png");
    const Image image = decode(kPreprocess + file, as_processor());
    const TargetSize size =
        target_size(image.pixels.width, image.pixels.height, number(row, "max_soft_tokens")).value();
    EXPECT_EQ(size.soft_tokens, row.at("soft_tokens"));
    EXPECT_EQ(size.width, row.at("target_width"));
    EXPECT_EQ(size.height, row.at("target_height"));
    const std::string expected(sums.at(row.at("resized").as_string()).as_string());
    EXPECT_EQ(testing::checksum(resize(image.pixels, size.width, size.height)), expected);
    ++cases;
  }
  EXPECT_EQ(cases, 20);
}

/** Noise, the same as tests/interop/media_samples.py makes. */
Pixels noise(int width, int height) {
  Pixels out{width, height, {}};
  uint32_t state = 1;
  for (int64_t i = 0; i < int64_t{width} * height * 3; ++i) {
    state = state * 1664525 + 1013904223;
    out.rgb.push_back(static_cast<uint8_t>(state >> 24));
  }
  return out;
}

TEST(Resize, EqualsPillowToTheBit) {
  int cases = 0;
  const json::value golden = testing::golden_json(kSamples + "resize.json");
  for (const json::value& row : golden.as_array()) {
    const Pixels from = noise(number(row, "from_width"), number(row, "from_height"));
    const std::string order(row.at("order").as_string());
    const ResizeRule rule = order == "across" ? ResizeRule::pillow : ResizeRule::pillow_down_first;
    const Pixels found = resize(from, number(row, "width"), number(row, "height"), rule);
    EXPECT_EQ(testing::checksum(found), std::string(row.at("checksum").as_string())) << row;
    ++cases;
  }
  EXPECT_GE(cases, 20);
}

TEST(Resize, InstructionSetsGiveTheSameBits) {
  if (!has_avx2()) return;
  for (const auto& [w, h, to_w, to_h] :
       {std::array{37, 19, 48, 96}, {400, 301, 96, 48}, {1, 1, 48, 48}, {9, 100, 48, 7}}) {
    for (const ResizeRule rule : {ResizeRule::torch, ResizeRule::pillow, ResizeRule::pillow_down_first}) {
      EXPECT_EQ(resize_by(avx2_passes(), noise(w, h), to_w, to_h, rule).rgb,
                resize_by(baseline_passes(), noise(w, h), to_w, to_h, rule).rgb);
    }
  }
}

TEST(Resize, FlatStaysFlatAndTheSameSizeIsLeftAlone) {
  const Pixels flat{31, 77, std::vector<uint8_t>(31 * 77 * 3, 201)};
  for (const uint8_t value : resize(flat, 48, 96).rgb) ASSERT_EQ(value, 201);
  EXPECT_EQ(resize(noise(48, 96), 48, 96).rgb, noise(48, 96).rgb);
}

TEST(Patches, EqualTheGoldens) {
  const ModelFile file = ModelFile::open(kPreprocess + "patches.safetensors");
  const Pixels pixels = decode(kPreprocess + "images/odd_33x57.png").pixels;
  const Patches patches = cut_patches(resize(pixels, 480, 288), 16);
  EXPECT_EQ(patches.values, testing::tensor<uint8_t>(file, "odd_33x57.70.patches_u8"));
  EXPECT_EQ(patches.positions, testing::tensor<int32_t>(file, "odd_33x57.70.positions_xy"));
}

TEST(Patches, WholeCellsHoldTheirPatches) {
  const Pixels pixels = noise(96, 144);
  const Patches cells = cut_patches(pixels, 48), patches = cut_patches(pixels, 16);
  EXPECT_EQ(cells.count(), 6);
  EXPECT_EQ(patches.count(), 54);
  // Cell (1, 2), its pixel (20, 33), blue: patch (4, 7), pixel (4, 1) there.
  const int in_cell = cells.values[static_cast<size_t>((2 * 2 + 1) * 6912 + (33 * 48 + 20) * 3 + 2)];
  const int in_patch = patches.values[static_cast<size_t>((8 * 6 + 4) * 768 + (1 * 16 + 4) * 3 + 2)];
  EXPECT_EQ(in_cell, in_patch);
  EXPECT_EQ(cells.positions, (std::vector<int32_t>{0, 0, 1, 0, 0, 1, 1, 1, 0, 2, 1, 2}));
}

}  // namespace
}  // namespace gemma::media
