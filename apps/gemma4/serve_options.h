// SPDX-License-Identifier: Apache-2.0
// What a person says of `gemma4 serve` on its command line.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "gemma4/kept_cache.h"
#include "gemma4/media_options.h"
#include "gemma4/session.h"
#include "serve/http/server.h"
#include "serve/service.h"

namespace gemma::app {

struct ServeOptions {
  SessionOptions session;
  serve::HttpOptions http;
  serve::ServiceOptions service;
  KeptCacheOptions kept_cache;
  std::string kv, keys, new_key, state, log = "text";
  std::string models;   // a folder of models
  bool pulled = false;  // those that were pulled, too
  int64_t idle = 600;   // seconds; 0: never
  std::string files_limit, body_limit = "64MB", media_cache = "64MB";
  serve::FetchOptions fetch;
  MediaLimits media_limits;
  int64_t grace = 30;

  bool several() const { return !models.empty() || pulled; }
};

/** `options` lives as long as the command. */
void add_serve_options(CLI::App& command, ServeOptions& options);
/** Fails where options do not go together. */
void check_serve_options(const CLI::App& command, const ServeOptions& options);

}  // namespace gemma::app
