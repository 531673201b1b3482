// SPDX-License-Identifier: Apache-2.0
// Which kernel table runs. Kept apart from the table, which files with special compiler flags include.
#pragma once

#include <string_view>
#include <vector>

#include "cpu/kernels/kernels.h"  // IWYU pragma: export
#include "cpu/kernels/roof.h"     // IWYU pragma: export

namespace gemma::cpu {

/** The best table that the processor has, or the one that the environment variable GEMMA4_ISA names (select.cc
 *  lists them). Fails when that is unknown or this processor lacks it. */
const Kernels& choose_kernels();

/** The table in use: chosen at the first call. */
const Kernels& kernels();

/** The table called `name` if this machine can run it, else null. */
const Kernels* kernels_named(std::string_view name);

/** All tables this machine can run, the best first. */
std::vector<const Kernels*> all_kernels();

/** The loops that measure what each of these instruction sets can do at most, the best first. */
std::vector<RoofKernels> all_roof_kernels();

}  // namespace gemma::cpu
