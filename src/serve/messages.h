// SPDX-License-Identifier: Apache-2.0
// Messages of OpenAI's chat API as the chat templates take them: checked, parts of media with their bytes beside them,
// arguments of tool calls as objects.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "chat/media_places.h"
#include "serve/ask.h"
#include "serve/fields.h"
#include "serve/file_part.h"

namespace gemma::serve {

struct Conversation {
  json::array messages;
  std::vector<MediaSource> media;  // of the messages' parts, in order
};

/** Of one request, whichever way it comes: rendering and shortening a conversation takes time for each. */
inline constexpr size_t kMostMessages = 10'000;
Failure too_many_messages(std::string_view field, size_t count);

/** `field`: what the array is called in failures. A tool's answer must follow the call that it names, and every call
 *  must be answered before somebody else speaks. `files`: that parts may name by their ids. */
Result<Conversation> read_messages(const json::array& messages, const std::string& field, const FileFinder& files = {});

Medium medium_of(media::Kind kind);

/** "budget" of a part with a picture: soft tokens, or media::kAutoBudget; 0 where it says nothing. */
int read_picture_budget(Fields& part);

/** Takes what a url stands for: the bytes of "data:image/png;base64,...", or an address that is fetched later.
 *  Other urls are a failure that names `field`. */
std::optional<Failure> take_url(MediaSource& source, std::string_view url, const std::string& field);

/** {"type": "function", "function": {...}} each, as the templates take them; other types are refused. */
Result<json::array> read_tools(const json::array& tools, const std::string& field);

}  // namespace gemma::serve
