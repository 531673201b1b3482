// SPDX-License-Identifier: Apache-2.0
// Bytes as text, for data: addresses (RFC 4648, with padding).
#pragma once

#include <string>
#include <string_view>

namespace gemma {

std::string base64(std::string_view bytes);

}  // namespace gemma
