// SPDX-License-Identifier: Apache-2.0
#include "grounding/drawing.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <random>

#include "file/model_file.h"

namespace gemma::grounding {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::vector<Place> random_places(std::mt19937& random, int width, int height, int count) {
  std::vector<Place> places;
  for (int i = 0; i < count; ++i) {
    const auto within = [&](int most) { return static_cast<double>(random() % static_cast<unsigned>(most + 1)); };
    Place place{std::string(1 + random() % 30, static_cast<char>('a' + i % 26)),
                random() % 4 == 0,
                within(width),
                within(height),
                0,
                0};
    place.right = place.point ? place.left : std::max(place.left, within(width));
    place.bottom = place.point ? place.top : std::max(place.top, within(height));
    places.push_back(place);
  }
  return places;
}

TEST(Drawing, NoLabelLeavesThePictureOrLiesOnAnother) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const int width = 300 + static_cast<int>(random() % 3000), height = 300 + static_cast<int>(random() % 3000);
    const Drawing drawing = arrange(random_places(random, width, height, 12), width, height);
    for (size_t i = 0; i < drawing.places.size(); ++i) {
      const Box& box = drawing.places[i].label;
      ASSERT_GE(box.left, 0) << seed;
      ASSERT_GE(box.top, 0);
      ASSERT_LE(box.right(), width + 1e-6);
      ASSERT_LE(box.bottom(), height + 1e-6);
      for (size_t j = 0; j < i; ++j) ASSERT_FALSE(box.overlaps(drawing.places[j].label)) << seed;
    }
  }
}

TEST(Drawing, TinyPicturesHaveNoLabelsButShapes) {
  for (const auto& [width, height] : {std::pair{1, 1}, {1, 5000}, {5000, 1}, {7, 7}}) {
    const Drawing drawing = arrange({{"a long label", false, 0, 0, 1, 1}}, width, height);
    const Box& box = drawing.places[0].label;
    EXPECT_TRUE(drawing.places[0].text.empty() || (box.right() <= width + 1e-6 && box.bottom() <= height + 1e-6));
    EXPECT_THAT(svg(drawing, {"image/png", ""}), HasSubstr("<rect"));
  }
}

TEST(Drawing, LabelsReadOnTheirColours) {
  std::mt19937 random(1);
  for (const DrawnPlace& each : arrange(random_places(random, 900, 900, 26), 900, 900).places) {
    const auto light = [](const Colour& c) { return 0.299 * c.red + 0.587 * c.green + 0.114 * c.blue; };
    EXPECT_GT(std::abs(light(each.colour) - light(each.ink)), 100);
  }
}

TEST(Drawing, SvgHoldsThePictureAndEscapesWhatItSays) {
  const Drawing drawing = arrange({{"<b> & \"c\"", false, 10, 20, 60, 70}, {"p", true, 5, 5, 5, 5}}, 400, 300);
  const std::string text = svg(drawing, {"image/png", std::string_view("\0\1\2\3", 4)});
  EXPECT_THAT(text, HasSubstr("data:image/png;base64,AAECAw=="));
  EXPECT_THAT(text, HasSubstr("&lt;b&gt; &amp; &quot;c&quot;"));
  EXPECT_THAT(text, Not(HasSubstr("<b>")));
  EXPECT_THAT(text, HasSubstr("<circle"));
  EXPECT_THAT(text, HasSubstr(R"(viewBox="0 0 400 300")"));
}

TEST(Drawing, PngHasThePictureTheShapesAndTheLabels) {
  const std::string path = ::testing::TempDir() + "/drawing_test.png";
  media::Pixels grey{400, 300, std::vector<uint8_t>(400 * 300 * 3, 90)};
  const Drawing drawing = arrange({{"bike", false, 100, 100, 300, 250}}, 400, 300);
  if (!has_cairo()) {
    EXPECT_THROW(write_png(path, grey, drawing), Error);
    return;
  }
  write_png(path, grey, drawing);
  const media::Pixels read = media::decode_image(*file_source(path), {}).pixels;
  std::filesystem::remove(path);
  ASSERT_EQ(400, read.width);
  ASSERT_EQ(300, read.height);
  const auto red = [&](double x, double y) {
    return read.rgb[(static_cast<size_t>(y) * 400 + static_cast<size_t>(x)) * 3];
  };
  EXPECT_EQ(90, red(200, 180)) << "inside the box";
  EXPECT_EQ(90, red(390, 290)) << "outside";
  EXPECT_EQ(drawing.places[0].colour.red, red(100, 180)) << "its left edge";
  const Box& label = drawing.places[0].label;
  int inked = 0;
  for (double y = label.top + 1; y < label.bottom() - 1; ++y) {
    for (double x = label.left + 1; x < label.right() - 1; ++x) inked += red(x, y) < 100;
  }
  EXPECT_GT(inked, 10) << "letters";
  EXPECT_EQ(drawing.places[0].colour.red, red(label.left + 1, label.top + 2)) << "and what they stand on";
  EXPECT_THROW(write_png("/nowhere/x.png", grey, drawing), Error);
}

}  // namespace
}  // namespace gemma::grounding
