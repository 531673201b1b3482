// SPDX-License-Identifier: Apache-2.0
// Reading the fields of a request, each by its name, type and range. Nothing is ignored: a field that nobody asked for
// is a failure that names it. A field that is null counts as not there.
//
//   Fields fields(object);
//   options.temperature = fields.number("temperature", 0, 2).value_or(1);
//   fields.label("user");
//   if (auto failure = fields.failure()) return *failure;
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace gemma::serve {

class Fields {
 public:
  /** where: what stands before the names of fields in failures: "tools[0].function", or "". */
  explicit Fields(const json::object& object, std::string where = {}) : object_(object), where_(std::move(where)) {}

  std::optional<std::string> text(std::string_view key);
  std::optional<double> number(std::string_view key, double low, double high);
  std::optional<int64_t> integer(std::string_view key, int64_t low, int64_t high);
  std::optional<bool> flag(std::string_view key);
  /** One of these words. */
  std::optional<std::string> word(std::string_view key, std::initializer_list<std::string_view> words);
  const json::array* list(std::string_view key);
  const json::object* object(std::string_view key);
  const json::value* any(std::string_view key);

  /** Text for people, or for logs, which changes nothing; or an object of such texts. */
  void label(std::string_view key);
  /** What is not done: refused unless the field says that it is not wanted (null, false, or one of `allowed`). */
  void unsupported(std::string_view key, std::string_view why, std::initializer_list<json::value> allowed = {});

  /** Adds a failure of the caller's: only the first counts. */
  void fail(std::string_view key, std::string reason);
  void fail(Failure failure);
  /** The first, else the first field that nobody asked for. */
  std::optional<Failure> failure() const;
  std::string name_of(std::string_view key) const;

 private:
  const json::value* expect(std::string_view key, bool (*is)(const json::value&), std::string_view what);

  const json::object& object_;
  std::string where_;
  std::vector<std::string> known_;
  std::optional<Failure> failure_;
};

}  // namespace gemma::serve
