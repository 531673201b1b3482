// SPDX-License-Identifier: Apache-2.0
// The hashes by which a hub knows its files.
#pragma once

#include <functional>
#include <string>

namespace gemma::hub {

/** SHA-256 of the file as 64 hexadecimal digits; "" where `go_on` said no. */
std::string sha256_of(const std::string& path, const std::function<bool()>& go_on);

/** What git calls a file of this content: SHA-1 behind a header of its size, 40 hexadecimal digits. */
std::string git_hash_of(const std::string& path, const std::function<bool()>& go_on);

}  // namespace gemma::hub
