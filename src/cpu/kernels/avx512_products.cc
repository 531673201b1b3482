// SPDX-License-Identifier: Apache-2.0
// Products on AVX-512.
#include "cpu/kernels/generic_products.h"
#include "cpu/kernels/parts.h"
#include "cpu/kernels/simd_avx512.h"

namespace gemma::cpu {

void avx512_products(Kernels& table) { fill_products<Avx512>(table); }

}  // namespace gemma::cpu
