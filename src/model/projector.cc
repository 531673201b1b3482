// SPDX-License-Identifier: Apache-2.0
#include "model/projector.h"

namespace gemma {

Tensor project(Ops& ops, const Tensor& x, const Linear& projection, float eps) {
  return ops.linear(ops.rms_norm(x, nullptr, eps), projection.w);
}

}  // namespace gemma
