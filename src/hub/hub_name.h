// SPDX-License-Identifier: Apache-2.0
// What a model is called on a Hugging Face hub: OWNER/NAME, OWNER/NAME:FILE, OWNER/NAME@REVISION:FILE.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace gemma::hub {

struct HubName {
  std::string owner, name;
  std::string revision = "main";  // a branch, a tag or a commit
  std::string file;               // a file, or the type in its name: "q4_0"; "": of the whole repository

  std::string repository() const { return owner + "/" + name; }
  /** As it is typed. */
  std::string text() const;
};

/** nullopt for what is no such name. */
std::optional<HubName> parse_hub_name(std::string_view text);

/** Whether a file may be called so within a repository: a path that stays in it, no control characters. */
bool is_file_name(std::string_view path);

/** Of the files of a repository those that `name` means. With a file: it, with its other parts where it has such
 *  ("-00001-of-00003.gguf"). Without: what a folder of a model has (config, tokenizer, safetensors), else the only
 * GGUF. A failure lists what there is. Files of encoders (mmproj) are not chosen unless by their name. */
Result<std::vector<std::string>> files_of(const HubName& name, const std::vector<std::string>& all);

/** The encoders of pictures and sound that go with a GGUF: the smallest of half precision; "" where there are none. */
std::string encoders_of(const std::vector<std::string>& all);

/** Whether files_of() gave a folder, not a GGUF. */
bool is_folder(const std::vector<std::string>& files);

}  // namespace gemma::hub
