// SPDX-License-Identifier: Apache-2.0
// The control tokens of the templates by their spelling.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "chat/chat_format.h"

namespace gemma {

/** The control tokens that a template writes or its models answer with. No spelling begins another. */
std::span<const std::string_view> control_spellings(Template which);

struct Spelled {
  std::string_view text;
  bool control = false;
};

/** `text` cut into control spellings and what lies between them, in order, nothing left out. */
std::vector<Spelled> split_controls(std::string_view text, std::span<const std::string_view> controls);

}  // namespace gemma
