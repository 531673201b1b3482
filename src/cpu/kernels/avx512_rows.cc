// SPDX-License-Identifier: Apache-2.0
// Rows, softmax and attention sums on AVX-512.
#include "cpu/kernels/generic_rows.h"
#include "cpu/kernels/parts.h"
#include "cpu/kernels/simd_avx512.h"

namespace gemma::cpu {

void avx512_rows(Kernels& table) { fill_rows<Avx512>(table); }

}  // namespace gemma::cpu
