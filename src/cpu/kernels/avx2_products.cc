// SPDX-License-Identifier: Apache-2.0
// Products on AVX2 with FMA.
#include "cpu/kernels/generic_products.h"
#include "cpu/kernels/parts.h"
#include "cpu/kernels/simd_avx2.h"

namespace gemma::cpu {

void avx2_products(Kernels& table) { fill_products<Avx2>(table); }

}  // namespace gemma::cpu
