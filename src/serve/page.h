// SPDX-License-Identifier: Apache-2.0
// The page at "/": how its files go over the wire. Free of connections, so that it can be tested.
#pragma once

#include <string_view>

#include "serve/http/message.h"
#include "serve/page_assets.h"

namespace gemma::serve {

/** An asset as the request's headers want it: packed or not, or 304 where the client has it. */
HttpResponse page_response(const PageAsset& asset, const HttpRequest& request);

/** Whether an accept-encoding header takes gzip: names it, or "*", and not with a weight of zero. */
bool takes_gzip(std::string_view accept_encoding);

/** Whether an if-none-match header holds this tag, quotes included. */
bool matches_tag(std::string_view if_none_match, std::string_view tag);

}  // namespace gemma::serve
