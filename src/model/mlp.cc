// SPDX-License-Identifier: Apache-2.0
#include "model/step.h"

namespace gemma {

/** down(gelu(gate(x)) * up(x)). */
Tensor mlp(Context& c, const MlpWeights& w, const Tensor& x) {
  const Tensor* both[] = {&w.gate.w, &w.up.w};
  const std::vector<Tensor> gate_up = c.ops.linear(x, both);
  return linear(c, w.down, c.ops.gated_gelu(gate_up[0], gate_up[1]));
}

}  // namespace gemma
