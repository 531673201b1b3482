// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "base/medium.h"

namespace gemma::media {

/** What a file is by its first bytes; nothing where it is none of what is read here. A container that may hold pictures
 *  (MP4, WebM) is a film, unless it says that it is for sound (m4a). */
std::optional<Medium> kind_of(std::span<const std::byte> bytes);

}  // namespace gemma::media
