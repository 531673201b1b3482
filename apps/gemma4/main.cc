// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "base/heap.h"
#include "base/interrupted.h"
#include "base/limits.h"
#include "base/one_line.h"
#include "gemma4/command.h"
#include "gemma4/help.h"
#include "gemma4/terminal.h"

namespace gemma::app {
namespace {

constexpr const char* kNotWritten = "stdout: cannot write all of it";

int exit_status = 0;

constexpr const char* kExamples = R"(Examples:
  gemma4 run model.gguf "Why is the sky blue?"
  gemma4 info model.gguf
  gemma4 convert hf-folder model.gguf --type q4_k_m
  gemma4 run --help)";

void add_commands(CLI::App& app) {
  add_run(app);
  add_serve(app);
  add_caption(app);
  add_detect(app);
  add_point(app);
  add_ocr(app);
  add_html(app);
  add_transcribe(app);
  add_watch(app);
  add_pull(app);
  add_list(app);
  add_rm(app);
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
  add_confined_run(app);
}

/** What a program gets from who starts it may be anything. A file that is opened never takes the place of a stream that
 *  is closed; a write beyond a limit fails with a reason; children can be waited for. */
void make_usual_surroundings() {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    if (fcntl(stream, F_GETFD) < 0) open("/dev/null", O_RDWR);
  }
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);
}

/** The command of that name, those that are not listed included; null: there is none. */
const CLI::App* find(const CLI::App& app, std::string_view name) {
  const auto found = app.get_subcommands([&](const CLI::App* each) { return each->get_name() == name; });
  return found.empty() ? nullptr : found[0];
}

/** Fails where a name is none: of the command, or of what it is about (`preprocess image`). */
void check_names(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || *argv[1] == '-') return;
  const CLI::App* command = find(app, argv[1]);
  if (command == nullptr) {
    fail_usage("command", "expected one of those that gemma4 --help lists, found '{}'", argv[1]);
  }
  const auto kinds = command->get_subcommands([](const CLI::App*) { return true; });
  if (kinds.empty() || (argc > 2 && (*argv[2] == '-' || find(*command, argv[2]) != nullptr))) return;
  std::string names;
  for (const CLI::App* kind : kinds) names += (names.empty() ? "" : ", ") + kind->get_name();
  fail_usage(argv[1], "expected one of {}, found {}", names, argc > 2 ? fmt::format("'{}'", argv[2]) : "nothing");
}

int answer(CLI::App& app, int argc, char** argv) {
  try {
    check_names(app, argc, argv);
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const Interrupted&) {
    return kInterrupted;
  } catch (const UsageError& error) {
    note(error.what());
    return 2;
  } catch (const std::system_error& error) {  // of fmt::print, where more is printed than the buffer takes
    note(std::ferror(stdout) != 0 ? kNotWritten : error.what());
    return 1;
  } catch (const std::bad_alloc&) {
    note("no memory" + describe_address_limit());
    return 1;
  } catch (const std::exception& error) {  // gemma::Error, and what the standard library throws
    note(error.what());
    return 1;
  }
  return exit_status;
}

/** Writes what is left of stdout. A disk that is full is an error of every command. */
int finish(int status) {
  std::cout.flush();
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.good();
  if (!written && status == 0) note(kNotWritten);
  return written || status != 0 ? status : 1;
}

}  // namespace

void set_exit_status(int status) { exit_status = status; }

}  // namespace gemma::app

int main(int argc, char** argv) {
  gemma::share_heap();
  gemma::app::make_usual_surroundings();
  CLI::App app{"Gemma 4 and Gemma 3 models on your own machine", "gemma4"};
  app.formatter(std::make_shared<gemma::app::Help>());
  app.require_subcommand(1);
  app.set_version_flag("--version", "gemma4 " GEMMA4_VERSION);
  app.footer(gemma::app::kExamples);
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return fmt::format("gemma4: {} (see --help)\n", gemma::one_line(error.what()));
  });
  gemma::app::add_commands(app);
  return gemma::app::finish(gemma::app::answer(app, argc, argv));
}
