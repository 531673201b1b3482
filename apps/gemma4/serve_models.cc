// SPDX-License-Identifier: Apache-2.0
#include "gemma4/serve_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>

#include "base/error.h"
#include "base/utf8.h"
#include "file/mmproj_name.h"
#include "gemma4/local_model.h"
#include "hub/hub_cache.h"

namespace gemma::app {
namespace {

namespace fs = std::filesystem;

constexpr int kUsualContext = 8192;  // of each of several models

Sampling sampling_of(const Session& session, const Settings& settings) {
  const GenerationDefaults& defaults = session.model->config.generation_defaults;
  Sampling s;
  if (defaults.temperature) s.temperature = *defaults.temperature;
  if (defaults.top_k) s.top_k = *defaults.top_k;
  if (defaults.top_p) s.top_p = *defaults.top_p;
  if (!session.chat_template) s.temperature = 0;
  if (settings.temperature) s.temperature = static_cast<float>(*settings.temperature);
  if (settings.top_k) s.top_k = static_cast<int>(*settings.top_k);
  if (settings.top_p) s.top_p = static_cast<float>(*settings.top_p);
  if (settings.min_p) s.min_p = static_cast<float>(*settings.min_p);
  return s;
}

/** When a file or folder was last written, in seconds since 1970; now where that is not known. */
int64_t written_at(const std::string& path) {
  std::error_code error;
  const auto time = fs::last_write_time(path, error);
  const auto when = error ? std::chrono::system_clock::now() : std::chrono::file_clock::to_sys(time);
  return std::chrono::duration_cast<std::chrono::seconds>(when.time_since_epoch()).count();
}

/** Names, sizes and times of a model's files: the same as long as they are. */
std::string stamp_of(const std::string& path) {
  std::error_code error;
  std::map<std::string, std::string> files;
  const auto note = [&](const fs::path& file) {
    std::error_code unknown;
    const auto time = fs::last_write_time(file, unknown).time_since_epoch().count();
    files[file.filename().string()] = fmt::format("{} {}", time, fs::file_size(file, unknown));
  };
  if (!fs::is_directory(path, error)) {
    note(path);
  } else {
    for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) note(at->path());
  }
  std::string out;
  for (const auto& [name, facts] : files) out += fmt::format("{} {}\n", name, facts);
  return out;
}

bool is_later_part(const std::string& stem) {  // "model-00002-of-00003"
  const size_t of = stem.rfind("-of-");
  return of != std::string::npos && of >= 6 && stem[of - 6] == '-' && stem.compare(of - 5, 5, "00001") != 0;
}

/** Whether an entry of a folder of models is one. */
bool is_model(const fs::path& path) {
  std::error_code error;
  const std::string name = path.filename().string();
  if (name.starts_with('.')) return false;
  if (!fs::is_directory(path, error)) {
    return path.extension() == ".gguf" && !is_mmproj_name(name) && !is_later_part(path.stem().string());
  }
  if (fs::exists(path / "config.json", error)) return true;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() == ".gguf") return true;
  }
  return false;
}

serve::ModelCard card_of(const SessionOptions& options, const ModelFiles& files) {
  serve::ModelCard card;
  card.name = name_of_model(options.model);
  card.place = options.model;
  card.created = written_at(local_model(options.model).path);
  card.config = files.config;
  card.encoders = files.media.encoders;
  card.file = serve::facts_of(*files.model);
  std::string note;
  card.chat_template = choose_template(*files.model, files.config, options.chat_template, note);
  card.context = options.context;
  return card;
}

/** As much as is asked for, of what the model has. */
int context_of_several(int asked, const Config& config) {
  const int wanted = asked > 0 ? asked : kUsualContext;
  return config.context > 0 ? std::min(wanted, config.context) : wanted;
}

}  // namespace

std::string name_of_model(const std::string& word) {
  if (is_hub_name(word)) return word;
  fs::path place(word);
  if (!place.has_filename()) place = place.parent_path();
  return place.extension() == ".gguf" ? place.stem().string() : place.filename().string();
}

LoadedModel load_served(const SessionOptions& options, const Settings& settings,
                        std::shared_ptr<serve::EngineThread> engines) {
  ModelFiles files = ModelFiles::open(options);
  LoadedModel loaded;
  loaded.card = card_of(options, files);
  const MediaModel media = files.media;
  SessionOptions with_room = options;
  if (!Senses::of(media.encoders).any()) with_room.beside = 0;  // it decodes nothing
  loaded.session = Session::open(with_room, std::move(files), Senses::of(media.encoders));
  Session& session = *loaded.session;
  loaded.card.context = session.engine->context();
  loaded.model =
      std::make_shared<serve::ServedModel>(loaded.card.name, session.speaker(), media, sampling_of(session, settings),
                                           session.tokenizer, loaded.session, std::move(engines));
  return loaded;
}

std::map<std::string, std::string> ModelPlaces::words() const {
  std::map<std::string, std::string> words;
  if (!from_.model.empty()) words.emplace(name_of_model(from_.model), from_.model);
  if (!from_.folder.empty()) {
    std::error_code error;
    std::vector<fs::path> paths;
    for (fs::directory_iterator at(from_.folder, error), end; !error && at != end; at.increment(error)) {
      if (is_model(at->path())) paths.push_back(at->path());
    }
    if (error) fail(from_.folder, "cannot be looked through: {}", error.message());
    std::ranges::sort(paths);
    for (const fs::path& path : paths) words.emplace(name_of_model(path.string()), path.string());
  }
  if (from_.pulled) {
    for (const hub::CachedModel& model : hub::HubCache::of_environment().list()) {
      words.emplace(model.name.text(), model.name.text());
    }
  }
  return words;
}

/** Reads what it has to say again where its files are not what they were. */
void ModelPlaces::look_at(const std::string& name, const std::string& word, Known& known) const {
  const std::string before = std::exchange(known.stamp, "");
  if (!utf8::valid(name)) {  // as names are sent
    known.card = {.name = name, .place = word, .fault = utf8::replace_invalid(word) + ": its name is no UTF-8"};
    return;
  }
  try {
    known.stamp = stamp_of(local_model(word).path);
    if (known.stamp == before) return;
    SessionOptions options = options_of(word);
    const ModelFiles files = ModelFiles::open(options);
    options.context = context_of_several(options.context, files.config);
    known.card = card_of(options, files);
    known.card.least_bytes = Session::least_bytes(options, files);
  } catch (const Error& error) {
    known.card = {.name = name, .place = word, .fault = error.what()};
  }
}

std::vector<serve::ModelCard> ModelPlaces::list() {
  const auto words = this->words();
  std::vector<serve::ModelCard> cards;
  for (const auto& [name, word] : words) {
    Known& known = known_[name];
    look_at(name, word, known);
    cards.push_back(known.card);
  }
  return cards;
}

SessionOptions ModelPlaces::options_of(const std::string& word) const {
  SessionOptions options = usual_;
  options.model = word;
  if (word != from_.model) options.mmproj = options.chat_template = "";
  return options;
}

int64_t ModelPlaces::least_bytes(const serve::ModelCard& card) const {
  SessionOptions options = options_of(card.place);
  const ModelFiles files = ModelFiles::open(options);
  options.context = context_of_several(options.context, files.config);
  return Session::least_bytes(options, files);
}

std::shared_ptr<serve::ServedModel> ModelPlaces::load(const serve::ModelCard& card, int64_t spare) const {
  SessionOptions options = options_of(card.place);
  options.context = context_of_several(options.context, Config::from(*ModelFiles::open(options).model));
  options.cache_spare = spare;
  return load_served(options, settings_, engines_).model;
}

serve::ModelSource source_of(const std::shared_ptr<ModelPlaces>& places) {
  serve::ModelSource source;
  source.list = [places] { return places->list(); };
  source.least_bytes = [places](const serve::ModelCard& card) { return places->least_bytes(card); };
  source.load = [places](const serve::ModelCard& card, int64_t spare) { return places->load(card, spare); };
  source.limit = [](serve::ServedModel& model, int64_t spare) {
    const int64_t least = static_cast<const Session*>(model.owner.get())->least_cache;
    model.thread->run_now([&model, bytes = least + spare] { model.speaker.engine.limit_cache(bytes); });
  };
  return source;
}

}  // namespace gemma::app
