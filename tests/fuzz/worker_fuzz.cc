// SPDX-License-Identifier: Apache-2.0
// Answers of a media worker, which somebody else may have written: arrays that are believed lie inside what is there.
// Links: media
#include "media/worker_wire.h"

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gemma::fuzz::refuses_or_reads([&] {
    constexpr int64_t kAvailable = 1000;
    const auto answer = gemma::media::answer_from(gemma::fuzz::text(data, size), kAvailable);
    if (answer) {
      for (const auto& array : answer.value().arrays) {
        if (array.offset < 0 || array.bytes < 1 || array.offset + array.bytes > kAvailable) __builtin_trap();
      }
    }
    gemma::media::request_from(gemma::fuzz::text(data, size));
  });
}
