// SPDX-License-Identifier: Apache-2.0
// What the kernel files contribute: each function fills the entries of a table that its file makes faster. Only
// select.cc calls them, and only those of the architecture that is being built.
#pragma once

#include "cpu/kernels/kernels.h"  // IWYU pragma: export
#include "cpu/kernels/roof.h"     // IWYU pragma: export

namespace gemma::cpu {

void scalar_products(Kernels& table);
void scalar_packed(Kernels& table);
void scalar_rows(Kernels& table);
RoofKernels scalar_roof();

void avx2_products(Kernels& table);
void avx2_packed(Kernels& table);
void avx2_rows(Kernels& table);
RoofKernels avx2_roof();

void avxvnni_packed(Kernels& table);
RoofKernels avxvnni_roof();

void neon_products(Kernels& table);
void neon_packed(Kernels& table);
void neon_rows(Kernels& table);
RoofKernels neon_roof();

void neoni8mm_packed(Kernels& table);
RoofKernels neoni8mm_roof();

void avx512_products(Kernels& table);
void avx512_packed(Kernels& table);
void avx512_rows(Kernels& table);
RoofKernels avx512_roof();

}  // namespace gemma::cpu
