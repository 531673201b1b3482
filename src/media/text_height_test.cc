// SPDX-License-Identifier: Apache-2.0
// Pages of known text size (tests/interop/text_samples.py).
#include "media/text_height.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "media/ink.h"
#include "media/resize.h"
#include "media/testing/samples.h"

namespace gemma::media {
namespace {

using testing::decode;
using testing::golden_json;
using testing::kSamples;

const std::string kPages = kSamples + "text/";

Pixels page(const std::string& name) { return decode(kPages + name + ".png").pixels; }

TEST(TextHeight, OfPagesOfKnownSize) {
  const json::value truth = golden_json(kPages + "truth.json");
  int pages = 0;
  for (const auto& [name, expected] : truth.as_object()) {
    SCOPED_TRACE(name);
    const bool has_text = !expected.at("height").is_null();
    const Pixels pixels = decode(kPages + std::string(name) + (has_text ? ".png" : ".jpg")).pixels;
    const ChosenBudget chosen = choose_budget(pixels, {});
    EXPECT_EQ(chosen.budget, expected.at("budget").as_int64());
    ASSERT_EQ(chosen.text.has_value(), has_text);
    if (!has_text) continue;
    ++pages;
    const auto height = expected.at("height").to_number<double>();
    EXPECT_NEAR(*chosen.text, height, 0.15 * height + 0.5);
    EXPECT_TRUE(chosen.resized >= kLegibleHeight || chosen.budget == 1120) << chosen.resized;
  }
  EXPECT_EQ(pages, 12);
}

TEST(TextHeight, GrowsWithThePicture) {
  const Pixels small = page("page_14_serif");
  const double height = text_height(find_text(small)).value();
  for (const int times : {2, 4, 6}) {  // the last is searched at a smaller scale
    const Pixels large = resize(small, small.width * times, small.height * times);
    EXPECT_NEAR(text_height(find_text(large)).value(), height * times, 0.08 * height * times) << times;
  }
}

TEST(TextHeight, OfTheNegativeIsTheSame) {
  Pixels pixels = page("page_22");
  const double height = text_height(find_text(pixels)).value();
  for (uint8_t& value : pixels.rgb) value = static_cast<uint8_t>(255 - value);
  EXPECT_NEAR(text_height(find_text(pixels)).value(), height, 1);
}

TEST(TextHeight, LinesLieWhereTheTextIs) {
  const std::vector<TextLine> lines = find_text(page("sheet_20"));
  ASSERT_GE(lines.size(), 3u);
  for (const TextLine& line : lines) {
    EXPECT_GT(line.top, 300);
    EXPECT_LT(line.bottom, 470);
    EXPECT_LT(line.right, 1240);
  }
}

TEST(TextHeight, OfNothingIsNone) {
  for (const auto& [width, height] : {std::pair{1, 1}, std::pair{1, 10000}, std::pair{10000, 1}, std::pair{300, 7}}) {
    const Pixels flat{width, height, std::vector<uint8_t>(static_cast<size_t>(width * height) * 3, 90)};
    EXPECT_TRUE(find_text(flat).empty());
    EXPECT_EQ(choose_budget(flat, {}).budget, 280);
  }
  EXPECT_FALSE(text_height({}));
}

TEST(Ink, PiecesThatTouchAtACornerAreOne) {
  Grey grey{20, 12, std::vector<uint8_t>(240, 250)};
  const auto ink = [&](int x, int y) { grey.values[static_cast<size_t>(y * 20 + x)] = 10; };
  for (int i = 0; i < 6; ++i) ink(2 + i, 2 + i);               // a slope
  for (int i = 0; i < 5; ++i) ink(12, 3 + i), ink(16, 3 + i);  // a U, whose arms meet in the last row
  for (int i = 13; i < 16; ++i) ink(i, 7);
  std::vector<Piece> pieces = pieces_of(grey, Ink::dark, 2, 8);
  std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.left < b.left; });
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0].pixels, 6);
  EXPECT_EQ(pieces[0].stretches, 6);
  EXPECT_EQ(pieces[0].width(), 6);
  EXPECT_EQ(pieces[1].left, 12);
  EXPECT_EQ(pieces[1].right, 17);
  EXPECT_EQ(pieces[1].pixels, 13);
  EXPECT_TRUE(pieces_of(grey, Ink::dark, 7, 8).empty());
  EXPECT_TRUE(pieces_of(grey, Ink::light, 2, 8).empty());  // the paper is too high
}

}  // namespace
}  // namespace gemma::media
