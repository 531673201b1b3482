// SPDX-License-Identifier: Apache-2.0
#include "serve/openai_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "serve/http/message.h"

namespace gemma::serve {

namespace {

/** Takes "name=value" off the query. */
std::string_view next_pair(std::string_view& query) {
  const std::string_view pair = query.substr(0, query.find('&'));
  query.remove_prefix(std::min(query.size(), pair.size() + 1));
  return pair;
}

std::string name_of(std::string_view pair) { return percent_decoded(pair.substr(0, pair.find('=')), true); }

}  // namespace

std::optional<Failure> unknown_parameter(std::string_view query, std::initializer_list<std::string_view> names) {
  while (!query.empty()) {
    const std::string_view pair = next_pair(query);
    if (pair.empty()) continue;
    const std::string name = name_of(pair);
    if (std::ranges::find(names, name) != names.end()) continue;
    return Failure{name, fmt::format("is no parameter of this way: expected {}", fmt::join(names, ", "))};
  }
  return std::nullopt;
}

Result<std::string> query_once(std::string_view query, std::string_view name) {
  std::optional<std::string> found;
  while (!query.empty()) {
    const std::string_view pair = next_pair(query);
    if (name_of(pair) != name) continue;
    if (found) return Failure{std::string(name), "is given twice"};
    found = query_value(pair, name);
    if (found->empty()) return Failure{std::string(name), "expected a value"};
  }
  return found.value_or("");
}

Result<json::object> openai_page(json::array items, std::string_view query, int usual, int most) {
  std::string after, order, wanted;
  for (const auto& [name, value] : {std::pair{"after", &after}, {"order", &order}, {"limit", &wanted}}) {
    auto found = query_once(query, name);
    if (!found) return found.failure();
    *value = std::move(found).value();
  }
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
