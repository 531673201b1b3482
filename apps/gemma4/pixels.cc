// SPDX-License-Identifier: Apache-2.0
#include "gemma4/pixels.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/file.h"

namespace gemma::app {
namespace {

void put(std::string& out, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 255);
}

/** 24 bits a pixel, rows from the bottom, each filled up to whole words. */
std::string bmp(const media::Pixels& pixels) {
  constexpr uint32_t kHeader = 54, kInfo = 40;
  const auto width = static_cast<size_t>(pixels.width), height = static_cast<size_t>(pixels.height);
  const size_t row = (3 * width + 3) / 4 * 4;
  std::string out = "BM";
  put(out, static_cast<uint32_t>(kHeader + row * height), 4);
  put(out, 0, 4);
  put(out, kHeader, 4);
  put(out, kInfo, 4);
  put(out, static_cast<uint32_t>(width), 4);
  put(out, static_cast<uint32_t>(height), 4);
  put(out, 1, 2);
  put(out, 24, 2);
  out.resize(kHeader, '\0');  // not compressed, no palette
  out.resize(kHeader + row * height, '\0');
  for (size_t y = 0; y < height; ++y) {
    const uint8_t* from = pixels.rgb.data() + 3 * width * (height - 1 - y);
    char* to = out.data() + kHeader + row * y;
    for (size_t x = 0; x < width; ++x, from += 3, to += 3) {
      to[0] = static_cast<char>(from[2]);
      to[1] = static_cast<char>(from[1]);
      to[2] = static_cast<char>(from[0]);
    }
  }
  return out;
}

}  // namespace

int side(const Facts& facts, std::string_view key) {
  return static_cast<int>(facts.integer(key, 1, std::numeric_limits<int>::max()));
}

media::Pixels pixels_of(const std::string& path, const MediaSettings& settings) {
  MediaOptions options = settings.of(Medium::image);
  options.prepare.whole = true;
  const media::Prepared prepared = prepare_file(path, options);
  const auto found = std::find_if(prepared.arrays.begin(), prepared.arrays.end(),
                                  [](const media::Array& array) { return array.name == "image0.rgb_u8"; });
  const Facts facts(path, prepared.facts);
  media::Pixels pixels{side(facts, "width"), side(facts, "height"), {}};
  const size_t bytes = static_cast<size_t>(pixels.width) * static_cast<size_t>(pixels.height) * 3;
  // Before they get memory: what a worker says may be anything.
  if (found == prepared.arrays.end() || static_cast<size_t>(found->values.bytes()) != bytes) {
    fail(path, "expected {} bytes of pixels from its worker", bytes);
  }
  pixels.rgb.resize(bytes);
  std::memcpy(pixels.rgb.data(), found->values.raw().data(), bytes);
  return pixels;
}

ShownFile shown_file(const std::string& path, const json::object& said, const MediaSettings& settings) {
  const Facts facts(path, said);
  ShownFile out{type_of_picture(facts.text("format")), {}, side(facts, "width"), side(facts, "height")};
  if (!out.type.empty()) {
    out.bytes = read_file(path);
  } else {
    out.type = "image/bmp";
    out.bytes = bmp(pixels_of(path, settings));
  }
  return out;
}

}  // namespace gemma::app
