// SPDX-License-Identifier: Apache-2.0
// The frame in which a base model, one without a chat template, is asked: worked examples of question and answer, then
// the question. It names no country and no city, so that it gives no answers away.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace gemma {

/** The prompt text of `messages` ({role: system|user|assistant, content: text}); ends where the answer begins. The
 *  answer starts with a blank that is not part of it. */
Result<std::string> few_shot_prompt(const json::array& messages);

/** Strings that end an answer in this frame. */
const std::vector<std::string>& few_shot_stops();

}  // namespace gemma
