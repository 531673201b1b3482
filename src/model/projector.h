// SPDX-License-Identifier: Apache-2.0
// From an encoder's width to the text model's: the last step of every encoder.
#pragma once

#include "model/weights.h"

namespace gemma {

/** Soft tokens: the rows of x, normed without a weight, times the projection. They enter the text model unscaled. */
Tensor project(Ops& ops, const Tensor& x, const Linear& projection, float eps);

}  // namespace gemma
