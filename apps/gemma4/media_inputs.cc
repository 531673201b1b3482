// SPDX-License-Identifier: Apache-2.0
#include "gemma4/media_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "exchange/media_facts.h"
#include "gemma4/checks.h"

namespace gemma::app {
namespace {

constexpr std::array<std::pair<const char*, Medium>, 3> kOptions{
    {{"--image", Medium::image}, {"--audio", Medium::audio}, {"--video", Medium::video}}};

const char* help_of(Medium kind) {
  if (kind == Medium::image) return "A picture the prompt is about ('-': stdin); may be repeated";
  return kind == Medium::audio ? "Sound the prompt is about; may be repeated"
                               : "A film the prompt is about; may be repeated";
}

/** Where a part of a message says that its file is; "" when it does not. */
std::string path_of(const json::object& part) {
  for (const char* key : {"path", "url", "image_url", "input_audio", "image", "audio", "video"}) {
    const json::value* value = part.if_contains(key);
    if (value != nullptr && value->is_object()) value = value->get_object().if_contains("url");
    if (value != nullptr && value->is_string()) return local_path(value->get_string());
  }
  return "";
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::vector<std::string> notes_of_picture(const Facts& facts, const json::object& all) {
  std::vector<std::string> notes;
  if (facts.has("first_of_several")) notes.emplace_back("the first of its frames or pages is seen, no other");
  if (!all.contains("text_height")) return notes;  // its budget was no choice
  const std::string text =
      facts.has("text_height") ? fmt::format("text {:.0f} pixels high", facts.number("text_height")) : "no text found";
  notes.push_back(fmt::format("{}, a budget of {} soft tokens", text, facts.count("budget")));
  return notes;
}

std::string note_of_sound(const Media& media, const Facts& facts, bool film) {
  if (film && facts.has("sound_left_out") && facts.flag("sound_left_out")) {
    return "its sound is left out, for it takes more than half of --video-tokens";
  }
  if (film && !facts.has("sound")) return "";
  const Facts sound = film ? facts.part("sound") : facts;
  if (sound.flag("silent")) {
    return fmt::format("{}silent, nothing in it reaches -60 dB", film ? "its sound is " : "");
  }
  const std::vector<Facts> pieces = sound.list("clips");
  const bool asked_for = !pieces.empty() && pieces[0].has("overlaps");
  const auto clips = std::count_if(media.item.blocks.begin(), media.item.blocks.end(),
                                   [](const MediaBlock& block) { return block.medium == Medium::audio; });
  const int64_t usual = film ? std::max<int64_t>(1, std::ssize(facts.list("frames"))) : 1;
  if (clips <= usual || asked_for) return "";
  return fmt::format("{}is heard as {} clips, cut where it is quietest, for 30 seconds are heard at a time",
                     film ? "its sound " : "", clips);
}

}  // namespace

void check_standard_input(const std::vector<MediaFile>& files) {
  if (std::ranges::count(files, "-", &MediaFile::path) > 1) fail_usage("-", "standard input is one file");
}

void add_media_inputs(CLI::App& command, MediaInputs& inputs) {
  for (const auto& [name, kind] : kOptions) {
    // Each word is noted as it is read, so that the order across the options is kept.
    command.add_option_function<std::vector<std::string>>(
               name, [](const std::vector<std::string>&) {}, help_of(kind))
        ->type_name("FILE")
        ->check(not_empty())
        ->allow_extra_args(false);
  }
  command.parse_complete_callback([&command, &inputs] {
    std::array<size_t, kOptions.size()> next{};
    for (const CLI::Option* option : command.parse_order()) {
      for (size_t i = 0; i < kOptions.size(); ++i) {
        if (!option->check_name(kOptions[i].first)) continue;
        inputs.files.push_back({kOptions[i].second, option->results()[next[i]++]});
      }
    }
  });
  add_media_settings(command, inputs.settings, {Medium::image, Medium::audio, Medium::video});
}

std::shared_ptr<const Media> MediaReader::read(const MediaFile& file) const {
  files_.require(file.kind);
  return read(file.kind, open_file(file.path, settings_.limits));
}

std::shared_ptr<const Media> MediaReader::read(Medium kind, const File& file) const {
  MediaOptions options = settings_.of(kind);
  files_.media.set(options.prepare);
  options.prepare.wave = false;  // nobody looks at it
  return std::make_shared<const Media>(media_of(file.path(), kind, prepare_file(file, options), files_.media.encoders));
}

MediaList MediaReader::read_all(const std::vector<MediaFile>& files, int64_t context) const {
  check_standard_input(files);
  for (const MediaFile& file : files) files_.require(file.kind);
  MediaList media;
  for (const MediaFile& file : files) {
    auto next = read(file);
    if (const std::string fault = fault_in_room(*next, media, context); !fault.empty()) fail_message("", fault);
    media.push_back(std::move(next));
  }
  return media;
}

MediaList MediaReader::read_parts(const json::array& messages, int64_t context) const {
  std::vector<std::vector<MediaFile>> turns(messages.size());  // read when all are known to be named
  for (size_t i = 0; i < messages.size(); ++i) {
    const json::object* object = messages[i].if_object();
    const json::value* content = object ? object->if_contains("content") : nullptr;
    if (content == nullptr || !content->is_array()) continue;
    const json::array& parts = content->get_array();
    for (size_t j = 0; j < parts.size(); ++j) {
      const std::optional<Medium> medium = medium_of_part(parts[j]);
      if (!medium) continue;
      const std::string path = path_of(parts[j].get_object());
      if (path.empty() || path == "-")
        fail(fmt::format("messages[{}].content[{}]", i, j), "expected the \"path\" of a file");
      turns[i].push_back({*medium, path});
    }
  }
  MediaList media;
  for (const std::vector<MediaFile>& files : turns) {
    MediaList some = read_all(files, context);
    std::move(some.begin(), some.end(), std::back_inserter(media));
  }
  return media;
}

int64_t most_tokens(const SessionOptions& options, const ModelFiles& files) {
  return options.context > 0 ? options.context : files.config.context;
}

std::string fault_in_room(const Media& media, const MediaList& there, int64_t context) {
  int64_t left = context - 1;
  for (const auto& each : there) left -= each->item.tokens();
  const int64_t needed = media.item.tokens();
  if (context == 0 || needed <= left) return "";
  const std::string behind =
      there.empty() ? "" : fmt::format(" behind {} other{}", there.size(), there.size() == 1 ? "" : "s");
  const bool film = media.item.medium == Medium::video;
  return fmt::format(
      "{}: needs {} tokens, and {} are left of the context of {}{} ({})", media.name, needed,
      std::max<int64_t>(left, 0), context, behind,
      film ? "--video-tokens N takes as many frames as fit into N, --context sets it" : "--context sets it");
}

std::vector<std::string> notes_of(const Media& media, const std::string& name) {
  const Facts facts(name, media.facts);
  const Medium medium = media.item.medium;
  std::vector<std::string> notes;
  if (medium == Medium::image) {
    notes = notes_of_picture(facts, media.facts);
  } else if (std::string note = note_of_sound(media, facts, medium == Medium::video); !note.empty()) {
    notes.push_back(std::move(note));
  }
  for (std::string& note : notes) note = fmt::format("{}: {}", name, note);
  return notes;
}

json::object message(std::string_view role, std::string_view text, const MediaList& media) {
  if (media.empty()) return {{"role", role}, {"content", text}};
  json::array parts;
  for (const auto& each : media) {
    json::object part = media_part(each->item.medium);
    part["path"] = each->name;
    parts.push_back(std::move(part));
  }
  if (!text.empty()) parts.push_back(json::object{{"type", "text"}, {"text", text}});
  return {{"role", role}, {"content", std::move(parts)}};
}

std::string local_path(std::string_view address) {
  constexpr std::string_view kScheme = "file://";
  if (!address.starts_with(kScheme)) return std::string(address);
  address.remove_prefix(kScheme.size());
  if (address.starts_with("localhost/")) address.remove_prefix(std::string_view("localhost").size());
  std::string path;
  for (size_t i = 0; i < address.size(); ++i) {
    const int high = i + 2 < address.size() ? hex_digit(address[i + 1]) : -1;
    const int low = i + 2 < address.size() ? hex_digit(address[i + 2]) : -1;
    if (address[i] == '%' && high >= 0 && low >= 0) {
      path += static_cast<char>(16 * high + low);
      i += 2;
    } else {
      path += address[i];
    }
  }
  return path;
}

std::string unquoted(std::string_view pasted) {
  const bool quoted = pasted.size() >= 2 && pasted.front() == pasted.back();
  if (quoted && (pasted.front() == '\'' || pasted.front() == '"'))
    return std::string(pasted.substr(1, pasted.size() - 2));
  if (pasted.starts_with("file://")) return local_path(pasted);
  std::string path;
  const char* home = std::getenv("HOME");
  if (home != nullptr && pasted.starts_with("~/")) path = home, pasted.remove_prefix(1);
  for (size_t i = 0; i < pasted.size(); ++i) {
    if (pasted[i] == '\\' && i + 1 < pasted.size()) ++i;
    path += pasted[i];
  }
  return path;
}

std::vector<std::string> pasted_words(std::string_view line) {
  std::vector<std::string> words;
  size_t begin = line.find_first_not_of(' ');
  while (begin < line.size()) {
    const char quote = line[begin] == '\'' || line[begin] == '"' ? line[begin] : ' ';
    size_t end = begin + 1;
    while (end < line.size() && line[end] != quote) end += quote == ' ' && line[end] == '\\' ? 2 : 1;
    end = std::min(line.size(), end + (quote == ' ' ? 0 : 1));
    words.push_back(unquoted(line.substr(begin, end - begin)));
    begin = line.find_first_not_of(' ', end);
  }
  return words;
}

std::optional<Medium> kind_by_name(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::string_view kPictures[] = {".jpg", ".jpeg", ".png",  ".webp", ".gif", ".bmp",
                                            ".tif", ".tiff", ".avif", ".heic", ".heif"};
  constexpr std::string_view kSound[] = {".wav",  ".aif", ".aiff", ".flac", ".ogg", ".oga",
                                         ".opus", ".mp3", ".m4a",  ".aac",  ".weba"};
  constexpr std::string_view kFilms[] = {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".ts", ".ogv"};
  const auto is_one_of = [&](const auto& names) {
    return std::find(std::begin(names), std::end(names), ending) != std::end(names);
  };
  if (is_one_of(kPictures)) return Medium::image;
  if (is_one_of(kSound)) return Medium::audio;
  if (is_one_of(kFilms)) return Medium::video;
  return std::nullopt;
}

bool named_like_a_file(const std::string& word) {
  constexpr std::string_view kPlaces[] = {"/", "./", "../", "~/"};
  const size_t blank = word.rfind(' ');  // "what happens in goal.mp4"
  if (blank != std::string::npos && kind_of_file(word.substr(blank + 1))) return false;
  return kind_by_name(word).has_value() ||
         std::any_of(std::begin(kPlaces), std::end(kPlaces), [&](std::string_view at) { return word.starts_with(at); });
}

std::optional<Medium> kind_of_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error) ? kind_by_name(path) : std::nullopt;
}

}  // namespace gemma::app
