// SPDX-License-Identifier: Apache-2.0
#include "gemma4/settings.h"

#include <toml++/toml.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <type_traits>

#include "base/error.h"
#include "base/file.h"
#include "gemma4/checks.h"
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

template <class T>
std::pair<Setter, std::string> number(std::optional<T>& field, T least, T most) {
  const Setter setter = [&field, least, most](const toml::node& node) {
    field = node.value<T>();
    return field && *field >= least && *field <= most;  // false for nan
  };
  return {setter, fmt::format("a {}number from {} to {}", std::is_integral_v<T> ? "whole " : "", least, most)};
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
  const std::map<std::string_view, std::pair<Setter, std::string>> known{
      {"model", {set(s.model), "a string"}},
      {"system", {set(s.system), "a string"}},
      {"template", {set(s.chat_template), "a string"}},
      {"temperature", number(s.temperature, 0.0, 100.0)},
      {"top_p", number(s.top_p, 0.0, 1.0)},
      {"min_p", number(s.min_p, 0.0, 1.0)},
      {"top_k", number(s.top_k, int64_t{0}, kTokenLimit)},
      {"seed", number(s.seed, int64_t{0}, std::numeric_limits<int64_t>::max())},
      {"max_tokens", number(s.max_tokens, int64_t{0}, kTokenLimit)},
      {"context", number(s.context, int64_t{0}, kTokenLimit)},
      {"threads", number(s.threads, int64_t{1}, int64_t{1'000'000})},
      {"memory", {set(s.memory), "a string"}},
      {"kv", {set_kv(s.kv), "a string: f32, bf16, kv8, tq4, tq3, tq2, or more as --kv takes them"}},
      {"think", number(s.think, int64_t{0}, kTokenLimit)},
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
