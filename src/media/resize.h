// SPDX-License-Identifier: Apache-2.0
// Antialiased bicubic resizing (Keys, a = -0.5) of 8-bit pixels in two passes with fixed-point weights, each rounded to
// 8 bits: exactly what the reference does, to the last bit.
#pragma once

#include <cstdint>

#include "media/image.h"

namespace gemma::media {

/** Those who do this round alike and differ in how many bits a weight has and in which pass comes first. */
enum class ResizeRule : uint8_t {
  torch,              // weights of 15 bits, across, then down: torchvision, the reference's own processor
  pillow,             // weights of 22 bits, across, then down: Pillow (all shapes in 11.3)
  pillow_down_first,  // weights of 22 bits, down, then across: what some releases of Pillow do in some shapes
};

/** A pass whose size does not change is left out. */
Pixels resize(Pixels pixels, int width, int height, ResizeRule rule = ResizeRule::torch);

/** The same by given passes (media/resize_passes.h); all of them give the same bits. */
struct ResizePasses;
Pixels resize_by(const ResizePasses& passes, Pixels pixels, int width, int height, ResizeRule rule);

}  // namespace gemma::media
