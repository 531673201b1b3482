// SPDX-License-Identifier: Apache-2.0
// Draws answers from what masks of JSON schemas allow, all tokens alike, and measures how long the masks take.
//
//   mask_samples TOKENIZER ANSWERS TOKENS < schemas > answers
//
// Each line that is read is a schema, or {"regex": "..."}, {"rules": "..."}, {"tools": [...]} with nothing else in it;
// each line that is written is {"refused": "..."} or {"answers": [...], "open": answers that TOKENS did not end,
// "compile_ms", "fills", "median_us", "p99_us", "worst_us"}. Mask and end are those of the program: in the last of the
// TOKENS only such come as lead to an end.
#include <algorithm>
#include <bit>
#include <iostream>
#include <random>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "grammar/answer_mask.h"

namespace gemma {
namespace {

int32_t draw(const std::vector<uint32_t>& bits, std::mt19937& random) {
  size_t count = 0;
  for (const uint32_t word : bits) count += static_cast<size_t>(std::popcount(word));
  if (count == 0) return -1;
  size_t left = random() % count;
  for (size_t i = 0;; ++i) {
    const auto here = static_cast<size_t>(std::popcount(bits[i]));
    if (left >= here) {
      left -= here;
      continue;
    }
    uint32_t word = bits[i];
    for (; left > 0; --left) word &= word - 1;
    return static_cast<int32_t>(i * 32) + std::countr_zero(word);
  }
}

struct Bench {
  std::shared_ptr<const Tokenizer> tokenizer;
  int vocab;
  std::vector<int32_t> stops;
  Grammars grammars{tokenizer, vocab, stops};
  std::shared_ptr<const JsonEnds> ends = std::make_shared<const JsonEnds>(*tokenizer, vocab, stops);

  Grammars::Made make(const json::value& asked) {
    const json::object* keys = asked.if_object();
    if (keys != nullptr && keys->size() == 1) {
      if (const json::value* text = keys->if_contains("regex")) return grammars.regex(text->get_string());
      if (const json::value* text = keys->if_contains("rules")) return grammars.ebnf(text->get_string());
      if (const json::value* tools = keys->if_contains("tools")) {
        return grammars.tool_calls(tools->get_array(), {Calls::required, "", true});
      }
    }
    return grammars.json(asked, Fence::none);
  }

  json::object answer(const json::value& asked, int answers, int tokens) {
    const auto begin = Clock::now();
    const Grammars::Made made = make(asked);
    const double compile = seconds_since(begin);
    if (!made) return {{"refused", made.failure().message()}, {"compile_ms", compile * 1e3}};
    json::array texts;
    std::vector<double> fills;
    int open = 0;
    for (int i = 0; i < answers; ++i) {
      std::mt19937 random(static_cast<unsigned>(i));
      const auto mask = answer_mask(*made.value(), {-1, -1, false, false}, nullptr, ends, tokens);
      std::string text;
      std::vector<uint32_t> bits(static_cast<size_t>((vocab + 31) / 32));
      int taken = 0;
      for (; !mask->finished() && taken < 2 * tokens; ++taken) {
        const auto start = Clock::now();
        mask->fill(bits);
        fills.push_back(seconds_since(start));
        const int32_t id = draw(bits, random);
        if (id < 0 || !mask->accept(id)) {
          text += id < 0 ? " <- nothing may come" : " <- what was allowed is refused";
          break;
        }
        if (std::find(stops.begin(), stops.end(), id) != stops.end()) break;
        const bool piece = tokenizer->kind(id) == PieceKind::control;
        text += piece ? std::string(tokenizer->piece(id)) : tokenizer->bytes(id);
      }
      if (taken == 2 * tokens) {
        ++open;
      } else {
        texts.emplace_back(text);
      }
    }
    std::sort(fills.begin(), fills.end());
    const auto at = [&](double part) {
      return fills.empty() ? 0.0 : fills[static_cast<size_t>(part * static_cast<double>(fills.size() - 1))] * 1e6;
    };
    return {{"answers", std::move(texts)},
            {"open", open},
            {"compile_ms", compile * 1e3},
            {"fills", fills.size()},
            {"median_us", at(.5)},
            {"p99_us", at(.99)},
            {"worst_us", at(1)}};
  }
};

int run(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: mask_samples TOKENIZER ANSWERS TOKENS < schemas > answers\n";
    return 2;
  }
  const auto tokenizer = Tokenizer::from_json(argv[1], read_file(argv[1]));
  std::vector<int32_t> stops;
  for (const std::string_view piece : {"<turn|>", "<end_of_turn>", "<eos>"}) {
    if (const auto id = tokenizer->find(piece)) stops.push_back(*id);
  }
  Bench bench{tokenizer, (tokenizer->size() + 63) / 64 * 64, stops};
  for (std::string line; std::getline(std::cin, line);) {
    const json::value asked = parse_json_or_fail("schema", line);
    std::cout << write_json(bench.answer(asked, std::stoi(argv[2]), std::stoi(argv[3]))) << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace gemma

int main(int argc, char** argv) { return gemma::run(argc, argv); }
