// SPDX-License-Identifier: Apache-2.0
// Products on NEON.
#include "cpu/kernels/generic_products.h"
#include "cpu/kernels/parts.h"
#include "cpu/kernels/simd_neon.h"

namespace gemma::cpu {

void neon_products(Kernels& table) { fill_products<Neon>(table); }

}  // namespace gemma::cpu
