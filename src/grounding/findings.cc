// SPDX-License-Identifier: Apache-2.0
#include "grounding/findings.h"

#include <algorithm>
#include <optional>

#include "base/json.h"

namespace gemma::grounding {
namespace {

constexpr int kTries = 64;     // beginnings of JSON that are looked at
constexpr size_t kShown = 60;  // bytes of an answer in a message
constexpr int kDepth = 64;

/** Where a stretch of JSON ends, strings being skipped. */
struct Stretch {
  size_t end = 0;  // behind the bracket that closes it, or the end of the text
  bool whole = false;
  size_t last_entry = 0;  // behind the last whole object of a list
};

Stretch stretch_at(std::string_view text, size_t begin) {
  int depth = 0;
  bool quoted = false;
  Stretch out;
  for (size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
      continue;
    }
    quoted = c == '"';
    if (c == '[' || c == '{') ++depth;
    if (c != ']' && c != '}') continue;
    --depth;
    if (c == '}' && depth == 1 && text[begin] == '[') out.last_entry = i + 1;
    if (depth == 0) return {i + 1, true, out.last_entry};
  }
  out.end = text.size();
  return out;
}

bool is_entry(const json::value& value) {
  const json::object* object = value.if_object();
  return object != nullptr && (object->contains("box_2d") || object->contains("point"));
}

/** The list in a value: itself, the one entry that it is, or the one list of an object. */
std::optional<json::array> list_of(const json::value& value) {
  if (const json::array* list = value.if_array()) {
    const bool listed = list->empty() || std::any_of(list->begin(), list->end(),
                                                     [](const json::value& each) { return each.is_object(); });
    return listed ? std::optional(*list) : std::nullopt;
  }
  if (is_entry(value)) return json::array{value};
  if (const json::object* object = value.if_object()) {
    for (const auto& [key, each] : *object) {
      const json::array* list = each.if_array();
      if (list != nullptr && std::any_of(list->begin(), list->end(), is_entry)) return *list;
    }
  }
  return std::nullopt;
}

std::optional<json::array> list_in(std::string_view answer, std::vector<std::string>& notes) {
  size_t at = 0;
  for (int i = 0; i < kTries; ++i, ++at) {
    at = answer.find_first_of("[{", at);
    if (at == std::string_view::npos) break;
    const Stretch stretch = stretch_at(answer, at);
    std::string text(answer.substr(at, stretch.end - at));
    if (!stretch.whole) {
      if (stretch.last_entry == 0) continue;
      text = std::string(answer.substr(at, stretch.last_entry - at)) + "]";
    }
    const Result<json::value> value = parse_json(text, kDepth);
    if (!value) continue;
    std::optional<json::array> list = list_of(value.value());
    if (!list) continue;
    if (!stretch.whole) notes.push_back(fmt::format("the answer was cut: {} whole entries", list->size()));
    return list;
  }
  return std::nullopt;
}

/** `count` numbers of the scale; else what is there instead. */
Result<std::vector<double>> numbers(const json::value& value, std::string_view key, size_t count) {
  const auto wrong = [&] {
    std::string found = write_json(value);
    if (found.size() > kShown) found = "something longer";
    return Failure{std::string(key), fmt::format("expected {} numbers from 0 to {:g}, found {}", count, kScale, found)};
  };
  const json::array* list = value.if_array();
  if (list == nullptr || list->size() != count) return wrong();
  std::vector<double> out;
  for (const json::value& each : *list) {
    if (!each.is_number()) return wrong();
    out.push_back(each.to_number<double>());
    if (!(out.back() >= 0 && out.back() <= kScale)) return wrong();
  }
  return out;
}

Result<Finding> finding_of(const json::value& value, std::string_view label, std::vector<std::string>& mended) {
  const json::object* object = value.if_object();
  if (object == nullptr) return Failure{"", "expected an object"};
  Finding out;
  out.point = !object->contains("box_2d");
  const std::string_view key = out.point ? "point" : "box_2d";
  const json::value* place = object->if_contains(key);
  if (place == nullptr) return Failure{"", "has neither box_2d nor point"};
  const Result<std::vector<double>> read = numbers(*place, key, out.point ? 2 : 4);
  if (!read) return read.failure();
  const std::vector<double>& at = read.value();
  out.top = at[0];
  out.left = at[1];
  out.bottom = at[out.point ? 0 : 2];
  out.right = at[out.point ? 1 : 3];
  if (out.top > out.bottom || out.left > out.right) {
    mended.emplace_back("box_2d: corners in the wrong order, put right");
    if (out.top > out.bottom) std::swap(out.top, out.bottom);
    if (out.left > out.right) std::swap(out.left, out.right);
  }
  if (!out.point && (out.top == out.bottom || out.left == out.right)) return Failure{"box_2d", "has no area"};
  const json::value* name = object->if_contains("label");
  if (name != nullptr && name->is_string() && !name->get_string().empty()) {
    out.label = std::string(name->get_string());
  } else {
    out.label = std::string(label);
    if (name != nullptr) mended.push_back(fmt::format("label: expected a text, taken as '{}'", label));
  }
  return out;
}

std::string schema(std::string_view key, int count, int most) {
  return write_json(
      json::object{{"type", "array"},
                   {"maxItems", most},
                   {"items",
                    {{"type", "object"},
                     {"properties",
                      {{key,
                        {{"type", "array"},
                         {"minItems", count},
                         {"maxItems", count},
                         {"items", {{"type", "integer"}, {"minimum", 0}, {"maximum", static_cast<int>(kScale)}}}}},
                       {"label", {{"type", "string"}, {"minLength", 1}}}}},
                     {"required", json::array{key, "label"}},
                     {"additionalProperties", false}}}});
}

}  // namespace

Result<Findings> read_findings(std::string_view answer, std::string_view label) {
  Findings out;
  const std::optional<json::array> list = list_in(answer, out.notes);
  if (!list) {
    std::string shown;
    for (char c : answer.substr(0, kShown)) shown += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    return Failure{"answer", fmt::format("expected a JSON list of boxes or points, found '{}'{}", shown,
                                         answer.size() > kShown ? "..." : "")};
  }
  for (size_t i = 0; i < list->size(); ++i) {
    std::vector<std::string> mended;
    Result<Finding> finding = finding_of((*list)[i], label, mended);
    for (const std::string& note : mended) out.notes.push_back(fmt::format("entry {}: {}", i + 1, note));
    if (finding) {
      out.found.push_back(std::move(finding).value());
    } else {
      out.notes.push_back(fmt::format("entry {}: {}; left out", i + 1, finding.failure().message()));
    }
  }
  return out;
}

std::string box_schema(int most) { return schema("box_2d", 4, most); }
std::string point_schema(int most) { return schema("point", 2, most); }

}  // namespace gemma::grounding
