// SPDX-License-Identifier: Apache-2.0
#include "model/step.h"

namespace gemma {

/** down(gelu(gate(x)) * up(x)). */
Tensor mlp(Context& c, const MlpWeights& w, const Tensor& x) {
  return linear(c, w.down, c.ops.gated_linear(x, w.gate.w, w.up.w));
}

}  // namespace gemma
