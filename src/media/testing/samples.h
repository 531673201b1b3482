// SPDX-License-Identifier: Apache-2.0
// What the tests of this module share: the goldens, and comparing pixels.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "file/model_file.h"
#include "media/image.h"

namespace gemma::media::testing {

inline const std::string kPreprocess = std::string(GEMMA4_GOLDEN) + "/preprocess/";
inline const std::string kSamples = std::string(GEMMA4_GOLDEN) + "/media/";

inline json::value golden_json(const std::string& path) { return parse_json_or_fail(path, read_file(path)); }

inline Image decode(const std::string& path, const ImageOptions& options = {}) {
  return decode_image(*file_source(path), options);
}

/** As the reference's image processor sees a file that Pillow has opened: not turned. */
inline ImageOptions as_processor() {
  ImageOptions options;
  options.turn = false;
  return options;
}

/** The largest difference of two rows of bytes; 256 when they are not as many. */
inline int largest_difference(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  if (a.size() != b.size()) return 256;
  int largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

inline double mean_difference(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  double sum = a.size() == b.size() ? 0 : 1e9;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) sum += std::abs(a[i] - b[i]);
  return sum / static_cast<double>(std::max<size_t>(a.size(), 1));
}

/** FNV-1a, as tests/interop/media_samples.py reckons it. */
inline std::string checksum(const Pixels& pixels) {
  uint64_t sum = 14695981039346656037u;
  for (const uint8_t value : pixels.rgb) sum = (sum ^ value) * 1099511628211u;
  return fmt::format("{:016x}", sum);
}

inline std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

/** A tensor of a safetensors file as numbers of its own type. */
template <class T>
std::vector<T> tensor(const ModelFile& file, std::string_view name) {
  const TensorRecord* record = file.find(name);
  GEMMA_CHECK(record != nullptr && record->bytes % static_cast<int64_t>(sizeof(T)) == 0, "a tensor of the goldens");
  std::vector<T> out(static_cast<size_t>(record->bytes) / sizeof(T));
  file.read(*record, std::as_writable_bytes(std::span(out)));
  return out;
}

/** The largest |a - b|; 1e9 when they are not as many. */
inline double largest_error(std::span<const float> a, std::span<const float> b) {
  double largest = a.size() == b.size() ? 0 : 1e9;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - b[i]));
  }
  return largest;
}

}  // namespace gemma::media::testing
