// SPDX-License-Identifier: Apache-2.0
// Forms of answers as requests bring them: the first byte says whether the rest is a JSON schema, a regular expression,
// rules, rules that name control tokens, tools, or (9) tools beside a form. Where a mask comes of it, a walk through
// what it allows never gets stuck, may be taken back and done again, and of a schema makes JSON.
//
// Links: grammar
#include "grammar/grammar.h"

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/tiny_tokenizer.h"
#include "fuzz/fuzz.h"
#include "grammar/call_mask.h"

namespace {

using gemma::Grammars;
using gemma::Tiny;
using gemma::Tokenizer;

constexpr int32_t kStop = 0, kCall = 1;
constexpr int kSteps = 120;

std::shared_ptr<const Tokenizer> letters() {
  std::vector<std::pair<std::string, Tiny>> pieces;
  for (const char* control : {"<turn|>", "<|tool_call>", "<tool_call|>", "<|\"|>"}) {
    pieces.emplace_back(control, Tiny::control);
  }
  for (const char* piece : {"\"", "]", "}",    "{",    "[", ",",   ":",    "0", "12",   "-",     "a",
                            "ab", "n", "null", "true", "▁", "\\u", "\\\"", "é", "日本", "\":\"", "call:"}) {
    pieces.emplace_back(piece, Tiny::normal);
  }
  return gemma::tiny_tokenizer(pieces);
}

Grammars::Made made(Grammars& grammars, int kind, std::string_view text) {
  if (kind == 1) return grammars.regex(text);
  if (kind == 2 || kind == 3) {
    return grammars.ebnf(text, kind == 2 ? Grammars::Tokens::none : Grammars::Tokens::by_name);
  }
  const auto json = gemma::parse_json(text);
  if (!json) return json.failure();
  if (kind == 0) return grammars.json(json.value(), gemma::Fence::none);
  if (!json.value().is_array()) return gemma::Failure{"tools", "expected an array"};
  const auto& tools = json.value().get_array();
  const auto calls = grammars.tool_calls(tools, {gemma::Calls::required, "", true});
  if (kind == 4 || !calls) return calls;
  return gemma::calls_or_form(calls.value(), grammars.json(gemma::json::object(), gemma::Fence::none).value(), kCall);
}

std::vector<int32_t> allowed(gemma::TokenMask& mask, int vocab) {
  std::vector<uint32_t> bits(static_cast<size_t>(vocab + 31) / 32);
  mask.fill(bits);
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < vocab; ++id) {
    if ((bits[static_cast<size_t>(id / 32)] >> (id % 32) & 1) != 0) ids.push_back(id);
  }
  return ids;
}

void walk(gemma::TokenMask& mask, const Tokenizer& tokenizer, bool json, std::mt19937 random) {
  std::string text;
  for (int i = 0; i < kSteps && !mask.finished(); ++i) {
    const std::vector<int32_t> ids = allowed(mask, tokenizer.size());
    if (ids.empty()) __builtin_trap();
    const int32_t id = ids[random() % ids.size()];
    if (!mask.accept(id)) __builtin_trap();
    if (!mask.finished()) {
      mask.rollback(1);
      if (allowed(mask, tokenizer.size()) != ids || !mask.accept(id)) __builtin_trap();
    }
    if (id != kStop) text += tokenizer.bytes(id);
  }
  if (json && mask.finished() && !gemma::parse_json(text)) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  return gemma::fuzz::refuses_or_reads([&] {
    static const std::shared_ptr<const Tokenizer> tokenizer = letters();
    Grammars grammars(tokenizer, tokenizer->size(), {kStop});
    const int kind = data[0] == 9 ? 5 : data[0] % 5;
    const auto grammar = made(grammars, kind, gemma::fuzz::text(data + 1, size - 1));
    if (!grammar) {
      if (grammar.failure().message().find('\n') != std::string::npos) __builtin_trap();
      return;
    }
    walk(*grammar.value()->mask(), *tokenizer, kind == 0, std::mt19937(static_cast<uint32_t>(size + data[size / 2])));
  });
}
