// SPDX-License-Identifier: Apache-2.0
#include "gemma4/pixels.h"

#include <algorithm>
#include <cstring>

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

int fact(const json::object& facts, std::string_view key) {
  const json::value* value = facts.if_contains(key);
  if (value == nullptr || !value->is_number()) fail("media worker", "says no {}", key);
  return static_cast<int>(value->to_number<double>());
}

media::Pixels pixels_of(const std::string& path, const MediaSettings& settings) {
  MediaOptions options = settings.of(Medium::image);
  options.prepare.whole = true;
  const media::Prepared prepared = prepare_file(path, options);
  const auto found = std::find_if(prepared.arrays.begin(), prepared.arrays.end(),
                                  [](const media::Array& array) { return array.name == "image0.rgb_u8"; });
  media::Pixels pixels{fact(prepared.facts, "width"), fact(prepared.facts, "height"), {}};
  pixels.rgb.resize(static_cast<size_t>(pixels.width) * static_cast<size_t>(pixels.height) * 3);
  if (found == prepared.arrays.end() || found->values.bytes() != std::ssize(pixels.rgb)) {
    fail(path, "expected {} bytes of pixels from its worker", pixels.rgb.size());
  }
  std::memcpy(pixels.rgb.data(), found->values.raw().data(), pixels.rgb.size());
  return pixels;
}

ShownFile shown_file(const std::string& path, const json::object& facts, const MediaSettings& settings) {
  ShownFile out{type_of_picture(std::string_view(facts.at("format").as_string())),
                {},
                fact(facts, "width"),
                fact(facts, "height")};
  if (!out.type.empty()) {
    out.bytes = read_file(path);
  } else {
    out.type = "image/bmp";
    out.bytes = bmp(pixels_of(path, settings));
  }
  return out;
}

}  // namespace gemma::app
