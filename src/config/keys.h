// SPDX-License-Identifier: Apache-2.0
// Typed, checked reading of a JSON object: a key that is missing or null is nullopt, one of the wrong type or out of
// range fails with its path, expected and found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace gemma {

class Keys {
 public:
  /** `where` names the file; fails when `value` is not an object. */
  Keys(std::string_view where, const json::value& value);

  bool has(std::string_view key) const { return find(key) != nullptr; }
  /** Whether the key is there at all, null included. */
  bool names(std::string_view key) const;
  std::optional<int> integer(std::string_view key, int64_t low, int64_t high) const;
  std::optional<double> number(std::string_view key, double low, double high) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string> string(std::string_view key) const;
  std::optional<Keys> object(std::string_view key) const;
  /** Token ids: one number or a list. */
  std::optional<std::vector<int32_t>> ids(std::string_view key) const;
  std::optional<std::vector<std::string>> strings(std::string_view key) const;

  const json::object& all() const { return *object_; }
  const std::string& where() const { return where_; }
  /** Fails: "config.json: text_config.head_dim: expected ..., found ...". */
  [[noreturn]] void fail_key(std::string_view key, std::string_view expected, const json::value* found) const;

 private:
  Keys(std::string where, std::string path, const json::object& object);
  const json::value* find(std::string_view key) const;

  std::string where_, path_;  // path: "" or "text_config."
  const json::object* object_;
};

}  // namespace gemma
