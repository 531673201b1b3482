// SPDX-License-Identifier: Apache-2.0
// Rules (EBNF, or those of a JSON schema) to masks over one vocabulary: xgrammar, in xgrammar_mask.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "grammar/grammar.h"

namespace gemma {

class RuleCompiler {
 public:
  /** Ids behind the head's rows that rules may name for what is no token; the masks have bits for them too. */
  static constexpr int32_t kTexts = 512;

  RuleCompiler(const Tokenizer& tokenizer, int vocab, const std::vector<int32_t>& stop_ids);
  ~RuleCompiler();

  struct Compiled {
    Grammar::Make mask;
    size_t bytes = 0;
  };
  /** Any number of threads. `schema` is one that kept_schema wrote. */
  Result<Compiled> json(const std::string& schema, Fence fence) const;
  /** From "root" on. Token(n) is the token with this id, and none that merely spells like it. */
  Result<Compiled> rules(const std::string& text) const;
  /** The rules that json() would compile. */
  std::string rules_of(const std::string& schema) const;

  int32_t first_text() const { return first_text_; }

 private:
  struct Vocabulary;
  std::unique_ptr<const Vocabulary> vocabulary_;
  int32_t first_text_;
};

}  // namespace gemma
