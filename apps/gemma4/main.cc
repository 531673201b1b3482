// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstdio>

#include "base/error.h"
#include "gemma4/command.h"

int main(int argc, char** argv) {
  CLI::App app{"gemma4: the Gemma 4 model family on your own machine"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "gemma4 " GEMMA4_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const gemma::Error& e) {
    fmt::print(stderr, "gemma4: {}\n", e.what());
    return 1;
  }
  return 0;
}
