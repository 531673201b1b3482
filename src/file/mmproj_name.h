// SPDX-License-Identifier: Apache-2.0
// What the file with the encoders of pictures and sound is called that accompanies a GGUF.
#pragma once

#include <string>
#include <string_view>

namespace gemma {

/** "folder/mmproj-m.gguf" of "folder/m.gguf". */
std::string mmproj_name_of(const std::string& gguf);

/** Whether a file of this name (without its folder) is such a file and not a model. */
bool is_mmproj_name(std::string_view name);

/** The one of the model that was opened as `path`, if there is one: beside a .gguf that of its name, in a folder of
 *  GGUF files the only one; "" else. */
std::string find_mmproj(const std::string& path);

}  // namespace gemma
