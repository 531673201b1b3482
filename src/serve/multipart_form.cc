// SPDX-License-Identifier: Apache-2.0
#include "serve/multipart_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "serve/json_bounds.h"

namespace gemma::serve {
namespace {

/** Text, or what it reads as. */
json::value value_of(const std::string& text, bool plain, BoundedJson& json) {
  auto parsed = plain ? json.read(text) : Result<json::value>(json::value(text));
  const bool scalar = parsed && (parsed.value().is_number() || parsed.value().is_bool());
  return scalar ? std::move(parsed).value() : json::value(text);
}

/** Puts it where "name", "name[]" or "name[inner]" says. */
std::optional<Failure> put(json::object& fields, const std::string& name, json::value value) {
  const size_t bracket = name.find('[');
  const std::string outer = name.substr(0, bracket);
  const Failure twice{name, "is there twice"};
  if (bracket == std::string::npos) {
    if (!fields.emplace(outer, std::move(value)).second) return twice;
    return std::nullopt;
  }
  const std::string inner = name.substr(bracket + 1, name.size() - bracket - 2);
  if (outer.empty() || !name.ends_with(']') || inner.find_first_of("[]") != std::string::npos) {
    return Failure{name, "expected NAME, NAME[] or NAME[FIELD]"};
  }
  json::value& whole = fields[outer];
  if (inner.empty()) {
    if (whole.is_null()) whole.emplace_array();
    if (!whole.is_array()) return twice;
    whole.get_array().push_back(std::move(value));
    return std::nullopt;
  }
  if (whole.is_null()) whole.emplace_object();
  if (!whole.is_object() || !whole.get_object().emplace(inner, std::move(value)).second) return twice;
  return std::nullopt;
}

}  // namespace

const FormPart* Form::file(std::string_view name, Fields& named) const {
  const bool there = named.any(name) != nullptr;
  const auto found = std::find_if(files.begin(), files.end(), [&](const FormPart& part) { return part.name == name; });
  if (found != files.end()) return &*found;
  named.fail(name, there ? "expected a file, with its name" : "is missing");
  return nullptr;
}

Result<Form> read_form_fields(const HttpRequest& request, std::initializer_list<std::string_view> plain) {
  auto parts = read_form(request.header("content-type"), request.body);
  if (!parts) return parts.failure();
  Form form;
  BoundedJson json;
  for (FormPart& part : parts.value()) {
    const bool file = !part.filename.empty();
    const std::string& text = file ? part.filename : part.bytes;
    if (!utf8::valid(part.name)) return Failure{"", "the name of a field is no UTF-8"};
    if (!utf8::valid(text)) return Failure{part.name, "is no UTF-8"};
    const std::string_view outer = std::string_view(part.name).substr(0, part.name.find('['));
    const bool is_plain = !file && std::find(plain.begin(), plain.end(), outer) != plain.end();
    if (auto failure = put(form.fields, part.name, value_of(text, is_plain, json))) return std::move(*failure);
    if (file) form.files.push_back(std::move(part));
  }
  return form;
}

}  // namespace gemma::serve
