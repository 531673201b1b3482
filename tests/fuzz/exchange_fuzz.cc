// SPDX-License-Identifier: Apache-2.0
// Arrays of a media worker, which somebody else may have written, on their way into a prompt.
// Links: exchange
#include <array>
#include <cstring>

#include "exchange/media.h"
#include "fuzz/fuzz.h"
#include "media/worker_wire.h"

namespace {

constexpr size_t kAvailable = 65536, kGrid = 32768, kOnes = 49152;  // places of 6 columns; what is valid

/** What the arrays lie in: pixels or features, places, masks. */
std::vector<std::byte> shared_memory() {
  std::vector<std::byte> bytes(kAvailable);
  for (size_t i = 0; i < kGrid; ++i) bytes[i] = static_cast<std::byte>(i % 61);
  for (size_t i = 0; kGrid + 8 * i + 8 <= kOnes; ++i) {
    const std::array<int32_t, 2> place{static_cast<int32_t>(i % 6), static_cast<int32_t>(i / 6)};
    std::memcpy(bytes.data() + kGrid + 8 * i, place.data(), sizeof place);
  }
  for (size_t i = kOnes; i < kAvailable; ++i) bytes[i] = std::byte{1};
  return bytes;
}

gemma::MediaConfig encoders() {
  gemma::MediaConfig config;
  config.vision.emplace();
  config.vision->patch = 4;
  config.vision->pool = 3;
  config.vision->positions = 100;
  config.audio.emplace();
  config.audio->mel_bins = 128;
  return config;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<std::byte> memory = shared_memory();
  static const gemma::MediaConfig config = encoders();
  int outcome = 0;
  using gemma::Medium;
  for (const Medium kind : {Medium::image, Medium::audio, Medium::video}) {
    outcome = gemma::fuzz::refuses_or_reads([&] {
      const auto answer = gemma::media::answer_from(gemma::fuzz::text(data, size), kAvailable);
      if (!answer) return;
      gemma::media::Prepared prepared{answer.value().facts, {}};
      for (const auto& array : answer.value().arrays) {
        gemma::Tensor values = gemma::Tensor::host(array.dtype, array.shape);
        std::copy_n(memory.begin() + array.offset, array.bytes, values.raw_mutable().begin());
        prepared.arrays.push_back({array.name, std::move(values)});
      }
      const gemma::Media media = gemma::media_of("it", kind, prepared, config);
      const size_t blocks = media.item.blocks.size();
      if (media.inputs.size() != blocks || media.contents.size() != blocks) __builtin_trap();
      for (const gemma::MediaBlock& block : media.item.blocks) {
        if (block.soft_tokens < 1) __builtin_trap();
      }
      to_json(media);
    });
  }
  return outcome;
}
