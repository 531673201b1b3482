// SPDX-License-Identifier: Apache-2.0
// Products on AVX2 with FMA and F16C.
#include "cpu/kernels/avx2_blocks.h"
#include "cpu/kernels/generic_products.h"
#include "cpu/kernels/parts.h"
#include "cpu/kernels/simd_avx2.h"

namespace gemma::cpu {

void avx2_products(Kernels& table) {
  fill_products<Avx2>(table);
  fill_blocks<Avx2, Avx2Q5_0>(table, DType::q5_0);
  fill_blocks<Avx2, Avx2Q6K>(table, DType::q6_k);
}

}  // namespace gemma::cpu
