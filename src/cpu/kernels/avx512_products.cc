// SPDX-License-Identifier: Apache-2.0
// Products on AVX-512.
#include "cpu/kernels/avx512_blocks.h"
#include "cpu/kernels/generic_products.h"
#include "cpu/kernels/parts.h"
#include "cpu/kernels/simd_avx512.h"

namespace gemma::cpu {

void avx512_products(Kernels& table) {
  fill_products<Avx512>(table);
  fill_blocks<Avx512, Avx512Q4_0>(table, DType::q4_0);
  fill_blocks<Avx512, Avx512Q4_1>(table, DType::q4_1);
  fill_blocks<Avx512, Avx512Q5_0>(table, DType::q5_0);
  fill_blocks<Avx512, Avx512Q5_1>(table, DType::q5_1);
  fill_blocks<Avx512, Avx512Q4K>(table, DType::q4_k);
  fill_blocks<Avx512, Avx512Q5K>(table, DType::q5_k);
  fill_blocks<Avx512, Avx512Q6K>(table, DType::q6_k);
  fill_blocks<Avx512, Avx512Iq4Nl>(table, DType::iq4_nl);
  fill_blocks<Avx512, Avx512Iq4Xs>(table, DType::iq4_xs);
}

}  // namespace gemma::cpu
