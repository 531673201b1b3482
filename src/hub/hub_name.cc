// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_name.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <utility>

namespace gemma::hub {
namespace {

constexpr size_t kMostName = 96, kMostPath = 1024, kMostListed = 12;
constexpr std::array<std::string_view, 6> kFolderEndings{".safetensors", ".json", ".jinja", ".model", ".txt", ".md"};
constexpr std::array<std::string_view, 3> kEncoderTypes{"bf16", "f16", "f32"};

bool is_word(std::string_view text, std::string_view also = {}) {
  return !text.empty() && text.size() <= kMostName && text[0] != '.' && text[0] != '-' &&
         text.find("..") == std::string_view::npos && std::ranges::all_of(text, [&](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-' ||
                  also.find(c) != std::string_view::npos;
         });
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool is_encoders(std::string_view file) {
  return file.ends_with(".gguf") && lower(file).find("mmproj") != std::string::npos;
}

/** "m-q4_0.gguf" for each of its parts "m-q4_0-00001-of-00003.gguf". */
std::string whole_of(std::string_view gguf) {
  constexpr std::string_view kPart = "-00001-of-00003";
  std::string_view stem = gguf.substr(0, gguf.size() - std::string_view(".gguf").size());
  if (stem.size() <= kPart.size()) return std::string(gguf);
  const std::string_view part = stem.substr(stem.size() - kPart.size());
  for (size_t i = 0; i < part.size(); ++i) {
    const bool digit = std::isdigit(static_cast<unsigned char>(part[i])) != 0;
    if (std::isdigit(static_cast<unsigned char>(kPart[i])) != 0 ? !digit : part[i] != kPart[i]) {
      return std::string(gguf);
    }
  }
  stem.remove_suffix(kPart.size());
  return std::string(stem) + ".gguf";
}

/** Whether "q4_0" is the type that "folder/m-Q4_0.gguf" has in its name. */
bool has_type(std::string_view whole, std::string_view type) {
  const std::string stem = lower(whole.substr(0, whole.size() - std::string_view(".gguf").size()));
  const std::string end = lower(type);
  if (!stem.ends_with(end) || stem.size() == end.size()) return false;
  const char before = stem[stem.size() - end.size() - 1];
  return before == '-' || before == '.' || before == '_' || before == '/';
}

/** GGUF files of models, those of one that is split together, by its name as a whole. */
std::map<std::string, std::vector<std::string>> models_in(const std::vector<std::string>& all) {
  std::map<std::string, std::vector<std::string>> models;
  for (const std::string& file : all) {
    if (file.ends_with(".gguf") && !is_encoders(file)) models[whole_of(file)].push_back(file);
  }
  for (auto& [whole, parts] : models) std::ranges::sort(parts);
  return models;
}

std::vector<std::string> folder_in(const std::vector<std::string>& all) {
  std::vector<std::string> files;
  for (const std::string& file : all) {
    const bool wanted = std::ranges::any_of(kFolderEndings, [&](std::string_view end) { return file.ends_with(end); });
    if (wanted && file.find('/') == std::string::npos) files.push_back(file);
  }
  const bool weights = std::ranges::any_of(files, [](const auto& f) { return f.ends_with(".safetensors"); });
  if (!weights || std::ranges::count(files, "config.json") == 0) files.clear();
  return files;
}

Failure lists(const HubName& name, std::string_view what, const std::vector<std::string>& choices) {
  std::string reason(what);
  for (size_t i = 0; i < std::min(choices.size(), kMostListed); ++i) reason += (i == 0 ? ": " : ", ") + choices[i];
  if (choices.size() > kMostListed) reason += fmt::format(" and {} more", choices.size() - kMostListed);
  return {name.text(), std::move(reason)};
}

}  // namespace

std::string HubName::text() const {
  return repository() + (revision == "main" ? "" : "@" + revision) + (file.empty() ? "" : ":" + file);
}

bool is_file_name(std::string_view path) {
  if (path.empty() || path.size() > kMostPath) return false;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return std::ranges::none_of(path, [](unsigned char c) { return c < ' ' || c == 127 || c == '\\'; });
}

std::optional<HubName> parse_hub_name(std::string_view text) {
  HubName out;
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    out.file = text.substr(colon + 1);
    if (!is_file_name(out.file)) return std::nullopt;
    text = text.substr(0, colon);
  }
  const size_t at = text.find('@');
  if (at != std::string_view::npos) {
    out.revision = text.substr(at + 1);
    if (!is_word(out.revision, "/") || !is_file_name(out.revision)) return std::nullopt;
    text = text.substr(0, at);
  }
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  out.owner = text.substr(0, slash);
  out.name = text.substr(slash + 1);
  if (!is_word(out.owner) || !is_word(out.name)) return std::nullopt;
  return out;
}

Result<std::vector<std::string>> files_of(const HubName& name, const std::vector<std::string>& all) {
  const auto models = models_in(all);
  std::vector<std::string> wholes, fitting;
  for (const auto& [whole, parts] : models) wholes.push_back(whole);
  if (name.file.empty()) {
    const std::vector<std::string> folder = folder_in(all);
    if (!folder.empty()) return folder;
    if (models.size() == 1) return models.begin()->second;
    if (models.empty()) return Failure{name.text(), "holds no model: neither config.json with .safetensors, nor .gguf"};
    return lists(name, "holds several models; say which, behind a colon", wholes);
  }
  for (const auto& [whole, parts] : models) {
    if (whole == name.file || std::ranges::count(parts, name.file) > 0) return parts;
    if (has_type(whole, name.file)) fitting.push_back(whole);
  }
  if (fitting.size() == 1) return models.at(fitting[0]);
  if (fitting.size() > 1) return lists(name, "several are of that type; give a whole name", fitting);
  if (std::ranges::count(all, name.file) > 0) return std::vector<std::string>{name.file};
  if (wholes.empty()) return Failure{name.text(), "there is no such file, nor any .gguf"};
  return lists(name, "there is no such file; expected one of", wholes);
}

std::string encoders_of(const std::vector<std::string>& all) {
  for (const std::string_view type : kEncoderTypes) {
    for (const std::string& file : all) {
      if (is_encoders(file) && has_type(file, type)) return file;
    }
  }
  const auto any = std::ranges::find_if(all, is_encoders);
  return any == all.end() ? "" : *any;
}

bool is_folder(const std::vector<std::string>& files) {
  return std::ranges::any_of(files, [](const std::string& file) { return file == "config.json"; });
}

}  // namespace gemma::hub
