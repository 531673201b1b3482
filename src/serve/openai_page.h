// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace gemma::serve {

/** A parameter of the query, which may be there once and then has a value; "" where it is not there. */
Result<std::string> query_once(std::string_view query, std::string_view name);

/** Nothing is ignored: what is in the query beside these is refused. */
std::optional<Failure> unknown_parameter(std::string_view query, std::initializer_list<std::string_view> names);

/** {"object": "list", data, first_id, last_id, has_more}: a page of `items`, which have an "id" and stand oldest first,
 *  as the query's "after", "order" (desc where it says nothing) and "limit" (`usual`, at most `most`) ask for it. */
Result<json::object> openai_page(json::array items, std::string_view query, int usual, int most);

}  // namespace gemma::serve
