// SPDX-License-Identifier: Apache-2.0
#include "gemma4/settings.h"

#include <toml++/toml.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "tensor/kv_type.h"

namespace gemma::app {
namespace {

namespace fs = std::filesystem;

/** $variable/gemma4, else ~/fallback/gemma4, else "". */
std::string own_folder(const char* variable, const char* fallback) {
  const char* base = std::getenv(variable);
  if (base != nullptr && *base != '\0') return (fs::path(base) / "gemma4").string();
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') return "";
  return (fs::path(home) / fallback / "gemma4").string();
}

using Setter = std::function<bool(const toml::node&)>;

template <class T>
Setter set(std::optional<T>& field) {
  return [&field](const toml::node& node) { return (field = node.value<T>()).has_value(); };
}

Setter set_kv(std::optional<std::string>& field) {
  return [&field](const toml::node& node) {
    return (field = node.value<std::string>()).has_value() && cache_types_named(*field).has_value();
  };
}

}  // namespace

Settings load_settings() {
  Settings s;
  const std::string folder = own_folder("XDG_CONFIG_HOME", ".config");
  const std::string path = folder + "/config.toml";
  std::error_code error;
  if (folder.empty() || !fs::exists(path, error)) return s;

  toml::parse_result parsed = toml::parse(read_file(path, 1 << 20), path);
  if (!parsed) {
    fail(path, "line {}: {}", parsed.error().source().begin.line, parsed.error().description());
  }
  const std::map<std::string_view, std::pair<Setter, const char*>> known{
      {"model", {set(s.model), "a string"}},
      {"system", {set(s.system), "a string"}},
      {"template", {set(s.chat_template), "a string"}},
      {"temperature", {set(s.temperature), "a number"}},
      {"top_p", {set(s.top_p), "a number"}},
      {"min_p", {set(s.min_p), "a number"}},
      {"top_k", {set(s.top_k), "a whole number"}},
      {"seed", {set(s.seed), "a whole number"}},
      {"max_tokens", {set(s.max_tokens), "a whole number"}},
      {"context", {set(s.context), "a whole number"}},
      {"threads", {set(s.threads), "a whole number"}},
      {"memory", {set(s.memory), "a string"}},
      {"kv", {set_kv(s.kv), "a string: f32, bf16, kv8, tq4, tq3, tq2, or more as --kv takes them"}},
      {"think", {set(s.think), "a whole number"}},
  };
  for (const auto& [key, node] : parsed.table()) {
    const auto entry = known.find(key.str());
    const auto line = node.source().begin.line;
    if (entry == known.end()) {
      std::string names;
      for (const auto& [name, setter] : known) names += (names.empty() ? "" : " ") + std::string(name);
      fail(path, "line {}: unknown key '{}', expected one of: {}", line, key.str(), names);
    }
    if (!entry->second.first(node)) fail(path, "line {}: '{}' expects {}", line, key.str(), entry->second.second);
  }
  return s;
}

std::string state_folder() {
  const std::string folder = own_folder("XDG_STATE_HOME", ".local/state");
  std::error_code error;
  if (!folder.empty()) fs::create_directories(folder, error);
  return error ? "" : folder;
}

}  // namespace gemma::app
