// SPDX-License-Identifier: Apache-2.0
// What a file shows or a part of a message is, beside text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gemma {

enum class Medium : uint8_t { image, audio, video };

/** "image", as parts of messages name it. */
constexpr std::string_view name_of(Medium medium) {
  constexpr std::string_view kNames[] = {"image", "audio", "video"};
  return kNames[static_cast<size_t>(medium)];
}

}  // namespace gemma
