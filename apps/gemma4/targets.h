// SPDX-License-Identifier: Apache-2.0
// Files that a command is about to write.
#pragma once

#include <string>
#include <vector>

#include "file/model_file.h"

namespace gemma::app {

/** Whether both names lead to one file that is there. */
bool same_file(const std::string& a, const std::string& b);
/** Fails when a file of the model is at `path`. */
void keep_model(const std::string& path, const ModelFile& model);
/** Fails when nothing can be written at `path`: before the work, not after it. Leaves what is there as it is. */
void check_writable(const std::string& path);

}  // namespace gemma::app
