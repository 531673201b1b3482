// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace gemma {

/** The process is about to end: weights that are being read, and those that would be read, fail soon. Any thread. */
void stop_loading();

}  // namespace gemma
