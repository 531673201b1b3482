// SPDX-License-Identifier: Apache-2.0
#include "serve/openapi.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "serve/service.h"

namespace gemma::serve {
namespace {

ModelFacts facts() {
  ModelFacts model;
  model.vocab = 512;
  model.context = 4096;
  return model;
}

std::string small(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

TEST(OpenApi, DescribesEachRoute) {
  const json::object document = openapi_document(facts(), false);
  const json::object& paths = document.at("paths").as_object();
  for (const auto& routes : {openai_routes(), anthropic_routes(), ollama_routes(), plain_routes()}) {
    for (const Route& route : routes) {
      const bool found = std::any_of(paths.begin(), paths.end(), [&](const auto& pair) {
        const std::string_view path = pair.key();
        const bool here = route.path.ends_with('/') ? path.starts_with(route.path) : path == route.path;
        return here && pair.value().as_object().contains(small(route.method));
      });
      EXPECT_TRUE(found) << route.method << " " << route.path;
    }
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
  const json::object document = openapi_document(facts(), true);
  const json::object& schemas = document.at("components").at("schemas").as_object();
  std::set<std::string> names;
  collect(document, names);
  const std::string head = "#/components/schemas/";
  for (const std::string& name : names) EXPECT_TRUE(schemas.contains(name.substr(head.size()))) << name;
}

TEST(OpenApi, AddsWhatIsTheSameForAll) {
  const json::object document = openapi_document(facts(), true);
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
  EXPECT_FALSE(openapi_document(facts(), false).at("components").as_object().contains("securitySchemes"));
}

}  // namespace
}  // namespace gemma::serve
