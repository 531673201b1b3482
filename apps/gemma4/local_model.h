// SPDX-License-Identifier: Apache-2.0
// What people name a model by: a file, a folder, or what a hub calls it, when `gemma4 pull` has fetched it.
#pragma once

#include <string>

namespace gemma::app {

struct LocalModel {
  std::string path;      // a file or a folder
  std::string encoders;  // of pictures and sound, where a hub has them in a file of their own; "" else
};

/** Fails where `word` is a hub's name of which nothing is here. Whether a path is there is said by who opens it. */
LocalModel local_model(const std::string& word);

/** Whether it can only be meant as a hub's name: of that form, and no file. */
bool is_hub_name(const std::string& word);

}  // namespace gemma::app
