// SPDX-License-Identifier: Apache-2.0
#include "serve/openapi.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "serve/service.h"

namespace gemma::serve {
namespace {

ModelCard card() {
  ModelCard model;
  model.config.vocab = 512;
  model.context = 4096;
  return model;
}

std::string small(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

/** "/v1/models/{model}" as a route has it. */
std::string unnamed(std::string_view path) {
  std::string out(path);
  const size_t open = out.find('{'), close = out.find('}');
  return open == std::string::npos ? out : out.replace(open, close + 1 - open, "{}");
}

TEST(OpenApi, DescribesEachRoute) {
  const json::object document = openapi_document(card(), false);
  std::set<std::string> described;
  for (const auto& pair : document.at("paths").as_object()) {
    for (const auto& way : pair.value().as_object()) described.insert(std::string(way.key()) + unnamed(pair.key()));
  }
  std::set<std::string_view> page;  // of which "/" is enough
  for (const Route& route : page_routes()) page.insert(route.path);
  for (const Route& route : all_routes()) {
    if (route.path != "/" && page.contains(route.path)) continue;
    const std::string end = route.path.size() > 1 && route.path.ends_with('/') ? "{}" : "";
    EXPECT_TRUE(described.contains(small(route.method) + std::string(route.path) + end)) << route.path;
  }
}

/** All names behind "$ref". */
void collect(const json::value& value, std::set<std::string>& out) {
  if (const json::array* list = value.if_array()) {
    for (const json::value& each : *list) collect(each, out);
  }
  const json::object* object = value.if_object();
  if (object == nullptr) return;
  for (const auto& pair : *object) {
    if (pair.key() == "$ref") out.emplace(pair.value().as_string());
    collect(pair.value(), out);
  }
}

TEST(OpenApi, RefersToWhatIsThere) {
  const json::object document = openapi_document(card(), true);
  const json::object& schemas = document.at("components").at("schemas").as_object();
  std::set<std::string> names;
  collect(document, names);
  const std::string head = "#/components/schemas/";
  for (const std::string& name : names) EXPECT_TRUE(schemas.contains(name.substr(head.size()))) << name;
}

TEST(OpenApi, AddsWhatIsTheSameForAll) {
  const json::object document = openapi_document(card(), true);
  const json::value& chat = document.at("components").at("schemas").at("ChatRequest");
  EXPECT_EQ(chat.at("additionalProperties"), false);
  const json::value& fields = chat.at("properties");
  EXPECT_EQ(fields.at("n").at("type"), (json::array{"integer", "null"}));
  EXPECT_EQ(fields.at("messages").at("type"), "array");
  EXPECT_EQ(fields.at("top_k").at("maximum"), 512);
  EXPECT_EQ(fields.at("verbosity").at("enum"), (json::array{nullptr, false, "medium"}));
  const json::value& way = document.at("paths").at("/v1/chat/completions").at("post");
  EXPECT_EQ(way.at("security").as_array().size(), 2U);
  EXPECT_TRUE(way.at("responses").as_object().contains("401"));
  EXPECT_FALSE(document.at("paths").at("/health").at("get").as_object().contains("security"));
  EXPECT_FALSE(openapi_document(card(), false).at("components").as_object().contains("securitySchemes"));
}

}  // namespace
}  // namespace gemma::serve
