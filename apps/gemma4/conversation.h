// SPDX-License-Identifier: Apache-2.0
// Conversations as files hold them: OpenAI-shaped messages, whose media are files of this machine.
#pragma once

#include <string>

#include "base/json.h"

namespace gemma::app {

/** What is wrong with messages that somebody wrote, and in which of them; "" for nothing. What no template would look
 *  at counts, too: it must not get lost without a word. */
std::string fault_in_conversation(const json::value& messages);

}  // namespace gemma::app
