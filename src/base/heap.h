// SPDX-License-Identifier: Apache-2.0
// The heap of the process, of which large blocks are no part (take_memory() in memory.h).
#pragma once

namespace gemma {

/** To be called before there is a second thread: all of them share one heap, so that others can use what one has let go
 *  of. Of E2B's 1.6 GB that is 20 MB, for its tokenizer is made by a thread of its own. */
void share_heap();

/** Pages of the heap that hold nothing go back to the system. Worth it after much has been let go of at once. */
void trim_heap();

}  // namespace gemma
