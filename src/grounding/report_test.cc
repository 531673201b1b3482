// SPDX-License-Identifier: Apache-2.0
// Pixels of both frames, and the three ways to write them down.
#include "grounding/report.h"

#include <gtest/gtest.h>

#include "grounding/letters.h"
#include "media/image.h"

namespace gemma::grounding {
namespace {

TEST(Frame, TheTurnOfEveryTagIsUndone) {
  constexpr int kWidth = 10, kHeight = 6;  // as stored
  for (int tag = 1; tag <= 8; ++tag) {
    for (int mark = 0; mark < kWidth * kHeight; ++mark) {
      media::Pixels stored{kWidth, kHeight, std::vector<uint8_t>(kWidth * kHeight * 3)};
      stored.rgb[static_cast<size_t>(mark) * 3] = 255;
      const media::Pixels upright = media::turned(stored, tag);
      const auto at = std::find(upright.rgb.begin(), upright.rgb.end(), 255) - upright.rgb.begin();
      const double x = static_cast<double>(at / 3 % upright.width), y = static_cast<double>(at / 3 / upright.width);
      Finding pixel;
      pixel.left = x / upright.width * kScale;
      pixel.right = (x + 1) / upright.width * kScale;
      pixel.top = y / upright.height * kScale;
      pixel.bottom = (y + 1) / upright.height * kScale;
      const Frame frame = frame_of(Frame::Kind::stored, upright.width, upright.height, tag);
      ASSERT_EQ(kWidth, frame.width);
      ASSERT_EQ(kHeight, frame.height);
      const Place place = places_in(frame, {pixel}, tag)[0];
      ASSERT_NEAR(mark % kWidth, place.left, 1e-9) << "tag " << tag;
      ASSERT_NEAR(mark / kWidth, place.top, 1e-9) << "tag " << tag;
      ASSERT_NEAR(mark % kWidth + 1, place.right, 1e-9);
      ASSERT_NEAR(mark / kWidth + 1, place.bottom, 1e-9);
    }
  }
}

Sighting bikes() {
  Sighting sighting;
  sighting.file = "bike.jpg";
  sighting.frame = frame_of(Frame::Kind::upright, 2000, 1000, 6);
  Finding bike;
  bike.label = "bike";
  bike.left = 100;
  bike.top = 200;
  bike.right = 400;
  bike.bottom = 600.5;
  Finding bell = bike;
  bell.label = "the 鐘";
  bell.point = true;
  bell.right = bell.left;
  bell.bottom = bell.top;
  sighting.found = {bike, bell};
  sighting.places = places_in(sighting.frame, sighting.found, 6);
  return sighting;
}

TEST(Report, ATableOfPixels) {
  EXPECT_EQ(
      "label     left     top   right  bottom\n"
      "bike       200     200     800     600\n"
      "the 鐘     200     200\n",
      table(bikes().places));
  EXPECT_EQ(
      "label        x       y\n"
      "the 鐘     200     200\n",
      table({bikes().places[1]}));
  EXPECT_EQ("", table({}));
}

TEST(Report, Json) {
  EXPECT_EQ(R"({"file": "bike.jpg", "width": 2000, "height": 1000, "frame": "upright", "objects": [)"
            R"({"label": "bike", "box_2d": [200, 100, 600.5, 400], )"
            R"("box": {"x": 200, "y": 200, "width": 600, "height": 400.5}}, )"
            R"({"label": "the 鐘", "point": [200, 100], "at": {"x": 200, "y": 200}}]})",
            write_json(to_json(bikes())));
}

TEST(Report, Coco) {
  const json::object set = coco({bikes(), bikes()});
  EXPECT_EQ(2u, set.at("images").as_array().size());
  EXPECT_EQ(4u, set.at("annotations").as_array().size());
  ASSERT_EQ(2u, set.at("categories").as_array().size());
  EXPECT_EQ("bike", set.at("categories").at(0).at("name"));
  const json::value& last = set.at("annotations").at(2);
  EXPECT_EQ(3, last.at("id"));
  EXPECT_EQ(2, last.at("image_id"));
  EXPECT_EQ(1, last.at("category_id"));
  EXPECT_EQ("[200, 200, 600, 400.5]", write_json(last.at("bbox")));
  EXPECT_EQ("240300", write_json(last.at("area")));
  EXPECT_EQ("[200, 200, 2]", write_json(set.at("annotations").at(1).at("keypoints")));
  EXPECT_EQ(R"(["point"])", write_json(set.at("categories").at(1).at("keypoints")));
}

TEST(Letters, WideOnesTakeTwoColumns) {
  EXPECT_EQ(5u, columns("a鐘é1"));
  EXPECT_EQ("a b", one_line("a\nb"));
  EXPECT_EQ("日本語", shortened("日本語", 6));
  EXPECT_EQ("日本…", shortened("日本語", 5));
  EXPECT_EQ("ab…", shortened("abcd", 3));
}

}  // namespace
}  // namespace gemma::grounding
