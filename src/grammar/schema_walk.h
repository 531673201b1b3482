// SPDX-License-Identifier: Apache-2.0
// The walk behind kept_schema: schema_walk.cc reads nodes, schema_kinds.cc the keywords of each kind of value,
// schema_refs.cc checks what only the whole tells.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace gemma {

/** A key of a kept node that says: its type was not written but follows from its keywords, so values of other types fit
 *  the schema as well. */
constexpr std::string_view kImplied = "implied";

/** A key of a kept anyOf or oneOf: where it stands. */
constexpr std::string_view kPlace = "place";

/** A schema that a $ref names. */
struct SchemaTarget {
  std::string ref;    // what names it in the kept schema
  std::string where;  // the $ref that named it first
  json::value kept;
};
using SchemaTargets = std::map<std::string, SchemaTarget>;  // by what names them in the given schema

/** Why a kept schema cannot be served after all: a recursion without an end, arms of a oneOf that overlap. Every oneOf
 *  becomes an anyOf. */
std::optional<Failure> settle_refs(json::object& root, SchemaTargets& targets);

class SchemaWalk {
 public:
  explicit SchemaWalk(const json::value& root) : root_(root) {}
  Result<json::value> run();

 private:
  using Where = const std::string&;

  // schema_walk.cc
  json::object node(const json::value& schema, Where where, std::string_view default_type = "");
  json::object choice(const json::object& schema, std::string_view keyword, Where where);
  json::object all_of(const json::object& schema, Where where);
  void gather(const json::object& schema, Where where, std::vector<json::object>& out);
  json::object ref(const json::object& schema, Where where);
  json::object values(const json::object& schema, Where where);
  json::object types(const json::object& schema, Where where, std::string_view default_type);
  std::vector<std::string_view> written_types(const json::object& schema, Where where);
  bool keywords_are_known(const json::object& schema, Where where);
  bool stands_alone(const json::object& schema, std::string_view keyword, Where where);
  const json::value* target(const json::object& schema, Where where);
  const json::value* target(std::string_view pointer) const;
  bool value_is_exact(const json::value& value, Where where);

  // schema_kinds.cc
  json::object kind(const json::object& schema, std::string_view type, Where where);
  json::object integer(const json::object& schema, Where where);
  json::object number(const json::object& schema, Where where);
  json::object text(const json::object& schema, Where where);
  json::object list(const json::object& schema, Where where);
  json::object record(const json::object& schema, Where where);
  json::object named_properties(const json::object& schema, Where where);
  void add_required(json::object& properties, const json::object& schema, Where where);
  void names_alone(json::object& out, const json::object& schema, Where where);
  void count_properties(json::object& out, const json::object& schema, Where where);
  int64_t count_of(const json::object& schema, std::string_view keyword, int64_t otherwise, Where where);
  std::optional<json::value> bound(const json::object& schema, std::string_view keyword, Where where);

  /** The first failure stays; what is returned afterwards is not looked at. */
  json::object refuse(std::string where, std::string reason);
  void count(size_t parts, Where where);

  const json::value& root_;
  SchemaTargets targets_;
  std::vector<std::string> waiting_;  // targets that have not been read
  std::optional<Failure> failure_;
  size_t parts_ = 0;
};

inline std::string below(const std::string& where, std::string_view key) { return fmt::format("{}.{}", where, key); }
/** Of a key that says nothing about what fits. */
bool is_annotation(std::string_view key);
inline bool is_false(const json::value* value) { return value != nullptr && value->is_bool() && !value->get_bool(); }

template <class Words>
std::string joined(const Words& words, std::string_view between) {
  std::string out;
  for (const std::string_view word : words) out += (out.empty() ? "" : std::string(between)) + std::string(word);
  return out;
}

/** Characters of a UTF-8 text. */
int64_t characters_of(std::string_view text);

}  // namespace gemma
