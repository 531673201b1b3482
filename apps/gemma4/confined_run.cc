// SPDX-License-Identifier: Apache-2.0
// gemma4 confined-run: how other commands start a program of others on a stranger's file.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "gemma4/command.h"
#include "media/confine.h"

namespace gemma::app {
namespace {

struct ConfinedRun {
  int64_t memory = 0, cpu_seconds = 0;
  std::vector<std::string> command;
};

void run(ConfinedRun& options) {
  std::vector<char*> arguments;
  for (std::string& word : options.command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  media::confine_program({options.memory, options.cpu_seconds, STDERR_FILENO});
  execve(arguments[0], arguments.data(), environ);
  fail(options.command[0], "cannot start: {}", std::strerror(errno));
}

}  // namespace

void add_confined_run(CLI::App& app) {
  auto options = std::make_shared<ConfinedRun>();
  CLI::App* command = app.add_subcommand("confined-run", "Run a program confined (started by other commands)");
  command->add_option("BYTES", options->memory, "Its memory")->required()->check(CLI::PositiveNumber);
  command->add_option("SECONDS", options->cpu_seconds, "Its processor time")->required()->check(CLI::PositiveNumber);
  command->prefix_command();  // behind them its path and its words, whatever they look like
  command->group("");         // nobody needs to know it
  command->footer(
      "Example:\n"
      "  gemma4 confined-run 1000000000 10 /usr/bin/pdftoppm -v    (docs/grounding.md says what is left to it)");
  command->callback([options, command] {
    options->command = command->remaining();
    if (options->command.empty()) fail_usage("confined-run", "expected a program's path and its words");
    run(*options);
  });
}

}  // namespace gemma::app
