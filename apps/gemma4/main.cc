// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "base/error.h"
#include "gemma4/command.h"

namespace gemma::app {
namespace {

int exit_status = 0;

constexpr const char* kExamples = R"(Examples:
  gemma4 run model.gguf "Why is the sky blue?"
  gemma4 info model.gguf
  gemma4 convert hf-folder model.gguf --type q4_k_m
  gemma4 run --help)";

void add_commands(CLI::App& app) {
  add_run(app);
  add_caption(app);
  add_transcribe(app);
  add_watch(app);
  add_info(app);
  add_convert(app);
  add_tokenize(app);
  add_chat_format(app);
  add_forward(app);
  add_perplexity(app);
  add_preprocess(app);
  add_random(app);
  add_bench(app);
  add_completion(app);
  add_media_worker(app);
}

}  // namespace

void set_exit_status(int status) { exit_status = status; }

}  // namespace gemma::app

int main(int argc, char** argv) {
  CLI::App app{"Gemma 4 and Gemma 3 models on your own machine", "gemma4"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "gemma4 " GEMMA4_VERSION);
  app.footer(gemma::app::kExamples);
  app.failure_message(
      [](const CLI::App*, const CLI::Error& error) { return fmt::format("gemma4: {} (see --help)\n", error.what()); });
  gemma::app::add_commands(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const gemma::UsageError& error) {
    fmt::print(stderr, "gemma4: {}\n", error.what());
    return 2;
  } catch (const std::exception& error) {  // gemma::Error, and what the standard library throws (no memory)
    fmt::print(stderr, "gemma4: {}\n", error.what());
    return 1;
  }
  return gemma::app::exit_status;
}
