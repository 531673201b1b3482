// SPDX-License-Identifier: Apache-2.0
// Random models under a grammar: every answer is JSON that fits, and the same with tokens guessed ahead and without.
#include <gmock/gmock.h>

#include <algorithm>
#include <array>

#include "engine/tiny_models.h"
#include "engine/tiny_tokenizer.h"
#include "grammar/grammar.h"

namespace gemma {
namespace {

using testing_engine::ops_with;
using testing_engine::threads_of;
using testing_engine::tiny_model;

constexpr const char* kSchema = R"({"type":"array","maxItems":3,"items":{"type":"object","properties":{
    "n":{"type":"array","minItems":2,"maxItems":2,"items":{"type":"integer","minimum":0,"maximum":1000}},
    "t":{"enum":["a","bb"]}},"required":["n","t"],"additionalProperties":false}})";

/** Pieces that JSON is made of; a control piece at each id that ends an answer. */
std::shared_ptr<const Tokenizer> tokenizer_for(const Config& config) {
  std::vector<std::string> letters{"{\"", "\":", "n", "t", "a", "b", "bb", "[", "]", "},", "}", "{", "\"", ",",
                                   ":",   "0",   "1", "2", "3", "4", "5",  "6", "7", "8",  "9", "▁", "00", "[["};
  std::reverse(letters.begin(), letters.end());
  std::vector<std::pair<std::string, Tiny>> pieces;
  while (!letters.empty() || static_cast<int>(pieces.size()) < 128) {
    const auto id = static_cast<int32_t>(pieces.size());
    const std::vector<int32_t>& eos = config.special.eos;
    if (id < 6 || std::find(eos.begin(), eos.end(), id) != eos.end()) {
      pieces.emplace_back(fmt::format("<control{}>", id), Tiny::control);
    } else if (letters.empty()) {
      pieces.emplace_back(fmt::format("word{}", id), Tiny::normal);
    } else {
      pieces.emplace_back(letters.back(), Tiny::normal);
      letters.pop_back();
    }
  }
  return tiny_tokenizer(pieces);
}

struct Told {
  std::string text;
  std::vector<int32_t> tokens;
  std::optional<Finish> finish;
  std::string error;
  int64_t drafted = 0;
};

/** A tiny model, and the types of its keys and values. */
struct Case {
  const char *model, *cache;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.model << ' ' << c.cache; }

class MaskedAnswers : public ::testing::TestWithParam<Case> {
 protected:
  std::shared_ptr<const Model> model_ = tiny_model(GetParam().model);
  std::shared_ptr<const Tokenizer> tokenizer_ = tokenizer_for(model_->config);
  Grammars grammars_{tokenizer_, model_->config.vocab, model_->config.special.eos};

  EngineOptions options() const {
    EngineOptions options;
    options.context = 512;
    options.kv.types = *cache_types_named(GetParam().cache);
    return options;
  }

  Told ask(const Grammar& grammar, uint64_t seed, int guesses) {
    EngineOptions options = this->options();
    options.speculation.length = guesses;
    Engine engine(model_, tokenizer_, ops_with(1), options);
    Told told;
    submit(engine, grammar, seed, told);
    while (engine.step()) {
    }
    return told;
  }

  void submit(Engine& engine, const Grammar& grammar, uint64_t seed, Told& told) {
    Request request;
    for (const char* piece :
         {"{\"", "n", "\":", "[", "1", "2", ",", "3", "]", ",", "\"", "t", "\":", "\"", "a", "\"", "},"}) {
      request.prompt.push_back(*tokenizer_->find(piece));
    }
    request.sampling.seed = seed;
    request.mask = grammar.mask();
    engine.submit(std::move(request), [&told](const Event& event) {
      if (event.token >= 0) told.tokens.push_back(event.token);
      told.text += event.text;
      told.drafted += event.drafted;
      if (event.finish) told.finish = event.finish;
      told.error += event.error;
    });
  }
};

TEST_P(MaskedAnswers, AreJsonThatFitsWithAndWithoutGuesses) {
  const auto made = grammars_.json(parse_json(kSchema).value(), Fence::none);
  ASSERT_TRUE(made.ok()) << made.failure().message();
  int64_t drafted = 0;
  for (uint64_t seed = 0; seed < 12; ++seed) {
    const Told plain = ask(*made.value(), seed, 0);
    EXPECT_EQ(plain.finish, Finish::stop) << plain.error << ": " << plain.text;
    const auto value = parse_json(plain.text);
    ASSERT_TRUE(value.ok()) << plain.text << ": " << value.failure().message();
    for (const json::value& each : value.value().as_array()) {
      EXPECT_EQ(each.at("n").as_array().size(), 2u) << plain.text;
      EXPECT_TRUE(each.at("t") == "a" || each.at("t") == "bb") << plain.text;
    }
    for (const int guesses : {3, Speculation::kMost}) {
      const Told guessed = ask(*made.value(), seed, guesses);
      EXPECT_EQ(plain.tokens, guessed.tokens);
      EXPECT_EQ(plain.text, guessed.text);
      EXPECT_EQ(plain.finish, guessed.finish);
      drafted += guessed.drafted;
    }
  }
  EXPECT_GT(drafted, 0);
}

TEST_P(MaskedAnswers, AreTheSameWhereManyAreDrawnAtOnce) {
  const auto made = grammars_.json(parse_json(kSchema).value(), Fence::none);
  ASSERT_TRUE(made.ok()) << made.failure().message();
  EngineOptions options = this->options();
  options.threads = &threads_of(4);
  Engine engine(model_, tokenizer_, ops_with(4), options);
  std::array<Told, 12> together;
  for (size_t i = 0; i < together.size(); ++i) submit(engine, *made.value(), i, together[i]);
  while (engine.step()) {
  }
  for (size_t i = 0; i < together.size(); ++i) {
    const Told alone = ask(*made.value(), i, 0);
    EXPECT_EQ(together[i].tokens, alone.tokens);
    EXPECT_EQ(together[i].text, alone.text);
    EXPECT_EQ(together[i].finish, alone.finish) << together[i].error;
  }
}

INSTANTIATE_TEST_SUITE_P(Grammar, MaskedAnswers,
                         ::testing::Values(Case{"e_text", "bf16"}, Case{"dense_text", "bf16"},
                                           Case{"gemma3_text", "bf16"}, Case{"e_text", "kv8"},
                                           Case{"dense_text", "tq4"}, Case{"gemma3_text", "tq4,tq4"}));

}  // namespace
}  // namespace gemma
