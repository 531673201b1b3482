// SPDX-License-Identifier: Apache-2.0
// The models of `gemma4 serve`: those of a folder, those that were pulled, or the one of the command line.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gemma4/session.h"
#include "gemma4/settings.h"
#include "serve/model_registry.h"
#include "serve/served_model.h"

namespace gemma::app {

/** The name that clients call it by: of a file or a folder its own, of what was pulled the hub's. */
std::string name_of_model(const std::string& word);

/** A model as it was loaded. */
struct LoadedModel {
  serve::ModelCard card;
  std::shared_ptr<serve::ServedModel> model;
  std::shared_ptr<Session> session;
};
LoadedModel load_served(const SessionOptions& options, const Settings& settings,
                        std::shared_ptr<serve::EngineThread> engines);

/** Where models are looked for. */
class ModelPlaces {
 public:
  struct From {
    std::string model;    // as local_model() takes it; "": none
    std::string folder;   // "": none
    bool pulled = false;  // what `gemma4 pull` has fetched
  };
  /** usual: how each is opened, but for what is about `model` alone: encoders, template. */
  ModelPlaces(From from, SessionOptions usual, Settings settings, std::shared_ptr<serve::EngineThread> engines)
      : from_(std::move(from)),
        usual_(std::move(usual)),
        settings_(std::move(settings)),
        engines_(std::move(engines)) {}

  /** All that is there, broken ones with their fault. Fails when the folder cannot be read. One thread at a time; the
   *  others may be called meanwhile. */
  std::vector<serve::ModelCard> list();
  int64_t least_bytes(const serve::ModelCard& card) const;
  std::shared_ptr<serve::ServedModel> load(const serve::ModelCard& card, int64_t spare) const;

 private:
  struct Known {
    std::string stamp;  // of its files
    serve::ModelCard card;
  };
  /** What local_model() takes, by name. */
  std::map<std::string, std::string> words() const;
  void look_at(const std::string& name, const std::string& word, Known& known) const;
  SessionOptions options_of(const std::string& word) const;

  const From from_;
  const SessionOptions usual_;
  const Settings settings_;
  const std::shared_ptr<serve::EngineThread> engines_;
  std::map<std::string, Known> known_;  // by name
};

/** For a registry; `places` lives as long as that. */
serve::ModelSource source_of(const std::shared_ptr<ModelPlaces>& places);

}  // namespace gemma::app
