// SPDX-License-Identifier: Apache-2.0
// Rows, softmax and attention sums on AVX2 with FMA and F16C.
#include "cpu/kernels/generic_rows.h"
#include "cpu/kernels/parts.h"
#include "cpu/kernels/simd_avx2.h"

namespace gemma::cpu {

void avx2_rows(Kernels& table) { fill_rows<Avx2>(table); }

}  // namespace gemma::cpu
