// SPDX-License-Identifier: Apache-2.0
// Stands in for xgrammar_mask.cc where the program is built without xgrammar.
#include "grammar/grammar.h"

namespace gemma {

struct Grammar::Compiled {};
struct Grammars::Vocabulary {};

Grammar::Grammar(std::unique_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
Grammar::~Grammar() = default;

std::unique_ptr<TokenMask> Grammar::mask() const { return nullptr; }

bool has_grammars() { return false; }

Grammars::Grammars(std::shared_ptr<const Tokenizer> tokenizer, int vocab, std::vector<int32_t> stop_ids)
    : tokenizer_(std::move(tokenizer)), vocab_(vocab), stop_ids_(std::move(stop_ids)) {}
Grammars::~Grammars() = default;

Result<std::shared_ptr<const Grammar>> Grammars::compile(const std::string&, Fence) {
  return Failure{"schema", "this program was built without xgrammar (GEMMA4_GRAMMAR; ./bootstrap fetches it)"};
}

}  // namespace gemma
