// SPDX-License-Identifier: Apache-2.0
// Rows, softmax and attention sums on NEON.
#include "cpu/kernels/generic_rows.h"
#include "cpu/kernels/parts.h"
#include "cpu/kernels/simd_neon.h"

namespace gemma::cpu {

void neon_rows(Kernels& table) { fill_rows<Neon>(table); }

}  // namespace gemma::cpu
