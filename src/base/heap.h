// SPDX-License-Identifier: Apache-2.0
// The heap of the process, of which large blocks are no part (take_memory() in memory.h).
#pragma once

namespace gemma {

/** Pages of the heap that hold nothing go back to the system. Worth it after much has been let go of at once. */
void trim_heap();

}  // namespace gemma
