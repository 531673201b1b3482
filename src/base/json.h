// SPDX-License-Identifier: Apache-2.0
// JSON by Boost.JSON: keys keep their order, input is checked (UTF-8, depth), numbers are written the shortest way.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"

namespace gemma {

namespace json = boost::json;

/** Parses a whole text. The failure says line and column, and what was wrong. At most `depth` levels deep. */
Result<json::value> parse_json(std::string_view text, int depth = 256);

/** The same for a file or a header that must be right: fails with `where`. */
json::value parse_json_or_fail(std::string_view where, std::string_view text, int depth = 256);

/** Numbers the shortest way that reads back equal ("2.5", not "2.5E0"). indent 0: one line. */
std::string write_json(const json::value& value, int indent = 0);

}  // namespace gemma
