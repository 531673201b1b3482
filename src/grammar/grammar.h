// SPDX-License-Identifier: Apache-2.0
// Grammars: what an answer may be, made from a JSON schema into masks for the engine.
//
//   Grammars grammars(tokenizer, vocab, stop_ids);
//   auto grammar = grammars.json(schema, Fence::either);     // compiled once for a schema
//   request.mask = grammar.value()->mask();
//
// Under such a mask an answer is JSON that fits the schema, properties in the schema's order, no more white space
// between two of its parts than kMostSpaces. Control pieces never come inside it; a stop id comes where the JSON may
// end, and finished() is true where it cannot go on.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "engine/engine.h"
#include "text/tokenizer.h"

namespace gemma {

/** Whether this build makes masks (xgrammar was there); else every schema is refused with one line that says so. */
bool has_grammars();

/** Whether the JSON stands alone or in a Markdown fence (```json ... ```). */
enum class Fence : uint8_t { none, either };

/** A grammar over one vocabulary. Immutable. */
class Grammar {
 public:
  struct Compiled;
  explicit Grammar(std::unique_ptr<const Compiled> compiled);
  ~Grammar();
  Grammar(const Grammar&) = delete;
  Grammar& operator=(const Grammar&) = delete;

  /** A mask that stands at the beginning of an answer. Its bits are as many as the vocabulary's rows, in words of 32.
   */
  std::unique_ptr<TokenMask> mask() const;

 private:
  std::unique_ptr<const Compiled> compiled_;
};

/** Makes grammars for one vocabulary and keeps the last few. One thread. */
class Grammars {
 public:
  static constexpr int kMostSpaces = 32;
  static constexpr size_t kKept = 32;

  /** vocab: rows of the model's head. */
  Grammars(std::shared_ptr<const Tokenizer> tokenizer, int vocab, std::vector<int32_t> stop_ids);
  ~Grammars();

  /** A failure names what cannot be kept: a keyword with a wrong value, a pattern that is no regular expression, a
   *  schema that nothing fits. */
  Result<std::shared_ptr<const Grammar>> json(const json::value& schema, Fence fence);

 private:
  struct Vocabulary;
  Result<std::shared_ptr<const Grammar>> compile(const std::string& schema, Fence fence);

  std::shared_ptr<const Tokenizer> tokenizer_;
  int vocab_;
  std::vector<int32_t> stop_ids_;
  std::unique_ptr<Vocabulary> vocabulary_;                                   // with the first grammar
  std::deque<std::pair<std::string, std::shared_ptr<const Grammar>>> kept_;  // latest first
};

}  // namespace gemma
