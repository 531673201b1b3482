// SPDX-License-Identifier: Apache-2.0
// Ids that no answer may contain, whatever their logits: those the checkpoint suppresses, pad and bos, media
// placeholders and the tokens around them, reserved pieces, unknown, rows of the head beyond the vocabulary. Turn,
// channel, thought and tool tokens are answers (the chat parser reads them); so are stop ids.
#pragma once

#include <cstdint>
#include <vector>

#include "config/config.h"
#include "text/tokenizer.h"

namespace gemma {

/** Rising. Without a tokenizer only what the config knows. */
std::vector<int32_t> never_sampled(const Config& config, const Tokenizer* tokenizer);

}  // namespace gemma
