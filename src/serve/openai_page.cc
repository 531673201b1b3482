// SPDX-License-Identifier: Apache-2.0
#include "serve/openai_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "serve/http/message.h"

namespace gemma::serve {

Result<json::object> openai_page(json::array items, std::string_view query, int usual, int most) {
  const std::string after = query_value(query, "after"), order = query_value(query, "order"),
                    wanted = query_value(query, "limit");
  int limit = usual;
  const auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), limit);
  const bool number = wanted.empty() || (error == std::errc() && end == wanted.data() + wanted.size());
  if (!number || limit < 1 || limit > most) {
    return Failure{"limit", fmt::format("expected a number of 1 to {}, found '{}'", most, wanted)};
  }
  if (!order.empty() && order != "asc" && order != "desc") {
    return Failure{"order", fmt::format("expected asc or desc, found '{}'", order)};
  }
  if (order != "asc") std::reverse(items.begin(), items.end());
  auto first = items.begin();
  if (!after.empty()) {
    first = std::find_if(items.begin(), items.end(),
                         [&](const json::value& item) { return item.at("id") == json::value(after); });
    if (first == items.end()) return Failure{"after", fmt::format("there is no '{}' here", after)};
    ++first;
  }
  const auto last = first + std::min<std::ptrdiff_t>(limit, items.end() - first);
  const json::array data(first, last);
  return json::object{{"object", "list"},
                      {"data", data},
                      {"first_id", data.empty() ? json::value() : data.front().at("id")},
                      {"last_id", data.empty() ? json::value() : data.back().at("id")},
                      {"has_more", last != items.end()}};
}

}  // namespace gemma::serve
