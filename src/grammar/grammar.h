// SPDX-License-Identifier: Apache-2.0
// Grammars: what an answer may be, made from a JSON schema, from tools, a regular expression or rules into masks for
// the engine.
//
//   Grammars grammars(tokenizer, vocab, stop_ids);
//   auto grammar = grammars.json(schema, Fence::either);     // compiled once for a schema
//   request.mask = grammar.value()->mask();
//
// Under such a mask an answer is JSON that fits the schema, properties in the schema's order, no more white space
// between two of its parts than kMostSpaces. Control pieces never come inside it; a stop id comes where the JSON may
// end, and finished() is true where it cannot go on. What a mask of tool calls allows, ChatParser reads back as calls
// whose arguments fit the tools' schemas.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/memo.h"
#include "engine/engine.h"
#include "text/tokenizer.h"

namespace gemma {

struct RuleSet;

/** Whether the JSON stands alone or in a Markdown fence (```json ... ```). */
enum class Fence : uint8_t { none, either };

/** When tools are called. automatic: text, or calls, or text and then calls; once a call has begun it is whole.
 * required: nothing but calls, at least one. */
enum class Calls : uint8_t { automatic, required };

struct CallOptions {
  Calls calls = Calls::automatic;
  std::string name;      // the only tool to be called; "": any
  bool parallel = true;  // several calls, one behind the other
};

/** A grammar over one vocabulary. Immutable; any number of threads. */
class Grammar {
 public:
  using Make = std::function<std::unique_ptr<TokenMask>()>;
  Grammar(Make make, size_t bytes, double seconds) : make_(std::move(make)), bytes_(bytes), seconds_(seconds) {}

  /** A mask that stands at the beginning of an answer. Its bits are as many as the vocabulary's rows, in words of 32.
   */
  std::unique_ptr<TokenMask> mask() const { return make_(); }
  size_t bytes() const { return bytes_; }      // about
  double seconds() const { return seconds_; }  // that making it took, once

 private:
  Make make_;
  size_t bytes_;
  double seconds_;
};

/** Makes grammars for one vocabulary and keeps the last few. Any number of threads: several grammars are made at once,
 *  each by the thread that asks for it, and the same one once. */
class Grammars {
 public:
  static constexpr int kMostSpaces = 32;
  static constexpr size_t kKept = 64, kKeptBytes = size_t{128} << 20;

  using Made = Result<std::shared_ptr<const Grammar>>;

  /** vocab: rows of the model's head. */
  Grammars(std::shared_ptr<const Tokenizer> tokenizer, int vocab, std::vector<int32_t> stop_ids);
  ~Grammars();

  /** A failure names what cannot be kept: a keyword with a wrong value, a pattern that is no regular expression, a
   *  schema that nothing fits. */
  Made json(const json::value& schema, Fence fence);

  /** Calls in Gemma 4's own syntax. tools: as for the chat templates, each with function.name and function.parameters.
   *  The failure names the tool and the place ("tools[1].function.parameters.properties.x.not"), or "tool_choice". */
  Made tool_calls(const json::array& tools, const CallOptions& options);

  /** A whole answer that is a text of a regular expression (JavaScript's). The failure's field is "pattern". */
  Made regex(std::string_view pattern);

  /** A whole answer of rules, from "root" on (docs/grammar.md). The failure's field is "grammar". tokens: whether the
   *  rules may name control tokens; else none comes inside the answer. */
  enum class Tokens : uint8_t { none, by_name };
  Made ebnf(std::string_view rules, Tokens tokens = Tokens::none);

 private:
  struct Shared;
  struct Parts {
    Grammar::Make mask;
    size_t bytes;
  };
  Made kept(const std::string& key, const std::function<Result<Parts>()>& make);
  Result<Parts> make_calls(const json::array& tools, const CallOptions& options);
  Result<Parts> rule_parts(const RuleSet& rules, const std::string& where, std::vector<int32_t> controls);
  Result<Parts> make_regex(std::string_view pattern);
  Result<Parts> make_rules(std::string_view rules, Tokens tokens);

  std::unique_ptr<Shared> shared_;
  Memo<Grammar> memo_;
};

}  // namespace gemma
