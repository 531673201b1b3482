// SPDX-License-Identifier: Apache-2.0
// What this machine's processor can do, for code outside of cpu/kernels that is compiled twice.
#pragma once

namespace gemma {

/** Vectors of 256 bits with integers (x86-64); false on other architectures. */
bool has_avx2();

}  // namespace gemma
