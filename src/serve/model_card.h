// SPDX-License-Identifier: Apache-2.0
// What a client can be told of a model, loaded or not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "chat/chat_format.h"
#include "config/config.h"
#include "config/media_config.h"
#include "serve/file_facts.h"

namespace gemma::serve {

struct ModelCard {
  std::string name;        // its own; clients may call it otherwise
  std::string place = {};  // where it lies, as its source has it
  int64_t created = 0;     // seconds since 1970
  std::string fault = {};  // why it cannot be read; then nothing below is known
  Config config = {};
  MediaConfig encoders = {};
  FileFacts file = {};
  std::optional<Template> chat_template = {};
  int context = 0;          // as it is served
  int64_t least_bytes = 0;  // that it takes then

  /** Whether its template has a place for thoughts and calls. */
  bool thinks() const { return chat_template && *chat_template != Template::gemma3; }
};

}  // namespace gemma::serve
