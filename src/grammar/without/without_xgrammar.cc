// SPDX-License-Identifier: Apache-2.0
// Stands in for xgrammar_mask.cc where the program is built without xgrammar.
#include "grammar/rule_compiler.h"

namespace gemma {

struct RuleCompiler::Vocabulary {};

bool has_grammars() { return false; }

RuleCompiler::RuleCompiler(const Tokenizer&, int vocab, const std::vector<int32_t>&) : first_text_(vocab) {}
RuleCompiler::~RuleCompiler() = default;

Result<RuleCompiler::Compiled> RuleCompiler::json(const std::string&, Fence) const {
  return Failure{"schema", "this program was built without xgrammar (GEMMA4_GRAMMAR; ./bootstrap fetches it)"};
}

Result<RuleCompiler::Compiled> RuleCompiler::rules(const std::string&) const {
  return Failure{"grammar", "this program was built without xgrammar (GEMMA4_GRAMMAR; ./bootstrap fetches it)"};
}

std::string RuleCompiler::rules_of(const std::string&) const { return {}; }

}  // namespace gemma
