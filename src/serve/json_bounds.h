// SPDX-License-Identifier: Apache-2.0
// JSON that comes from outside, of which so much is read and no more: a value takes some 50 bytes of memory, however
// short its spelling, so that bytes alone are no bound. All of this module's JSON is read here.
//
//   BoundedJson json;
//   auto body = json.read(request.body, 128);
//   auto arguments = json.read(text_in_the_body, 128, BigIntegers::keep);      // counts beside the body
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace gemma::serve {

inline constexpr int64_t kMostValues = 1'000'000;

/** At least as many values as a JSON text has, without reading it: each but the first stands behind a bracket or a
 *  comma. */
int64_t most_values(std::string_view json);

/** Reads texts that have at most kMostValues values together. */
class BoundedJson {
 public:
  /** As parse_json does; a text that is too much is a failure, too. */
  Result<json::value> read(std::string_view text, int depth = 128, BigIntegers big = BigIntegers::round);

 private:
  int64_t left_ = kMostValues;
};

/** The name of a field that some object of a JSON text, which has been read without a fault, has twice: of these only
 *  the last would count. */
std::optional<std::string> field_given_twice(std::string_view json);

}  // namespace gemma::serve
