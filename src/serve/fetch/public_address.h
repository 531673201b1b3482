// SPDX-License-Identifier: Apache-2.0
// Which addresses lie in the internet, and not in somebody's own machine or network (RFC 6890 and the registries of
// special addresses it set up).
#pragma once

#include <string>

struct sockaddr;

namespace gemma::serve {

/** Of IPv4 and IPv6 alone. IPv6 addresses that stand for IPv4 ones are as public as these. */
bool is_public(const sockaddr& address);

/** "192.0.2.1", "2001:db8::1". */
std::string text_of(const sockaddr& address);

}  // namespace gemma::serve
