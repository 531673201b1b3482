// SPDX-License-Identifier: Apache-2.0
// What web pages can make a browser ask of a server that asks nobody for a key. A page of any site may send requests to
// this machine, and a site whose name has been made to stand for this machine reads the answers, too. Both are told by
// what a browser says of itself.
#pragma once

#include <optional>

#include "base/error.h"
#include "serve/http/message.h"

namespace gemma::serve {

/** Why a request may be a web page's that is not this server's own: its `Host` is a name that others give out, or its
 *  `Origin` is a page of another host. Nothing where it has neither, as programs that are no browsers. */
std::optional<Failure> from_foreign_page(const HttpRequest& request);

}  // namespace gemma::serve
