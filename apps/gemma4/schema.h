// SPDX-License-Identifier: Apache-2.0
// Answers that are JSON of a schema.
#pragma once

#include <string>

#include "gemma4/session.h"
#include "grammar/grammar.h"

namespace gemma::app {

/** `given` is JSON where it begins with a brace, else a file. A schema that cannot be kept to fails. */
json::value read_schema(const std::string& given);

/** Lets answers be nothing but such JSON, behind their thought. The tokens that there are for them (max_tokens, the
 *  context) suffice: the last of these, at most half, are for what closes the JSON. */
void hold_to_schema(AnswerOptions& answer, const Session& session, const json::value& schema, Fence fence);

/** Likewise boxes and points (grounding/findings.h), boxes in order. */
void hold_to_boxes(AnswerOptions& answer, const Session& session, int most);
void hold_to_points(AnswerOptions& answer, const Session& session, int most);

}  // namespace gemma::app
