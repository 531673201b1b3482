// SPDX-License-Identifier: Apache-2.0
// JSON by Boost.JSON: keys keep their order, input is checked (UTF-8, depth), numbers are read to the last bit and
// written the shortest way.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace gemma {

namespace json = boost::json;

/** What becomes of an integer that 64 bits do not hold. round: the nearest double. keep: a big_integer. */
enum class BigIntegers : uint8_t { round, keep };

/** Parses a whole text. The failure says line and column, and what was wrong. At most `depth` levels deep. */
Result<json::value> parse_json(std::string_view text, int depth = 256, BigIntegers big = BigIntegers::round);

/** The same for a file or a header that must be right: fails with `where`. */
json::value parse_json_or_fail(std::string_view where, std::string_view text, int depth = 256);

/** An integer of any size as a value: a string that no JSON text gives, for it starts with a byte that UTF-8 does not
 *  have. `digits_of_big_integer` knows it again, `write_json` prints it as a number. */
json::value big_integer(std::string_view digits);
std::optional<std::string_view> digits_of_big_integer(const json::value& value);

/** Numbers the shortest way that reads back equal ("2.5", not "2.5E0"). indent 0: one line. */
std::string write_json(const json::value& value, int indent = 0);

}  // namespace gemma
