// SPDX-License-Identifier: Apache-2.0
// Uses something of the lowest and of higher layers: compiles against the installed headers, links the libraries.
#include <cstdio>

#include "base/json.h"
#include "chat/chat_format.h"
#include "engine/engine.h"
#include "file/model_file.h"

int main(int argc, char** argv) {
  const auto value = gemma::parse_json(R"({"answer": 42})");
  if (!value || gemma::write_json(value.value()) != R"({"answer": 42})") return 2;
  if (!gemma::template_named("edge")) return 3;
  try {
    gemma::ModelFile::open(argc > 1 ? argv[1] : "no-such-file.gguf");
  } catch (const gemma::Error& error) {
    std::puts(error.what());
    return 0;
  }
  return 4;
}
