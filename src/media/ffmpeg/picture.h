// SPDX-License-Identifier: Apache-2.0
// FFmpeg's pictures to ours.
#pragma once

#include <cstdint>
#include <string>

#include "media/ffmpeg/owners.h"

namespace gemma::media {

/** Writes rows of RGB (channels 3) or RGBA (4) to `out`. Colours that are stored as such are taken exactly; luma and
 *  chroma go through swscale with the matrix and range that the frame names. */
void write_rgb(const std::string& where, const AVFrame& frame, int channels, uint8_t* out);

/** Whether pixels of this format may be other than opaque. */
bool may_be_transparent(AVPixelFormat format);

}  // namespace gemma::media
