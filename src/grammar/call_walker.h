// SPDX-License-Identifier: Apache-2.0
// For tests: walks through what a mask of tool calls allows, read back by the parser of answers.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "chat/chat_format.h"
#include "engine/tiny_tokenizer.h"
#include "grammar/grammar.h"

namespace gemma {

/** Control pieces, then letters and pieces of several; byte pieces behind them. */
inline std::shared_ptr<const Tokenizer> call_letters() {
  std::vector<std::pair<std::string, Tiny>> pieces;
  for (const char* piece : {"<turn|>", "<|tool_response>", "<|tool_call>", "<tool_call|>", "<|\"|>", "<|channel>",
                            "<channel|>", "<|image|>", "<tool_response|>"}) {
    pieces.emplace_back(piece, Tiny::control);
  }
  for (char c = '!'; c < 0x7F; ++c) pieces.emplace_back(std::string(1, c), Tiny::normal);
  for (const char* piece :
       {"▁",    "▁▁", "call", "call:", "{}",   "},",  "}}",   "]}",  "[[",   "{\"", "\":", "true",
        "null", "00", "12",   "-1",    ".5",   "e1",  "ab",   "a,b", "{a:",  ",b:", "é",   "日本",
        "😀",   "<|", "|>",   "<|\"",  "tool", "\\n", "\\\"", "get", "get{", ":[",  "],",  "\",\""}) {
    pieces.emplace_back(piece, Tiny::normal);
  }
  for (const char* piece : {"\n", "\n\n", "\t"}) pieces.emplace_back(piece, Tiny::user_defined);
  return tiny_tokenizer(pieces);
}

struct CallWalker {
  std::shared_ptr<const Tokenizer> tokenizer = call_letters();
  int vocab = tokenizer->size() + 5;  // the head has rows without a piece
  std::vector<int32_t> stops{id("<turn|>"), id("<|tool_response>")};
  Grammars grammars{tokenizer, vocab, stops};

  int32_t id(std::string_view piece) const { return *tokenizer->find(piece); }

  std::vector<int32_t> allowed(TokenMask& mask) const {
    std::vector<uint32_t> bits(static_cast<size_t>((vocab + 31) / 32));
    mask.fill(bits);
    std::vector<int32_t> ids;
    for (int32_t each = 0; each < vocab; ++each) {
      if ((bits[static_cast<size_t>(each / 32)] >> (each % 32) & 1) != 0) ids.push_back(each);
    }
    return ids;
  }

  struct Walk {
    std::string text;     // with the control pieces' names
    std::string trouble;  // what went wrong, "" for nothing
    std::vector<int32_t> ids;
    std::vector<ChatEvent> events;
  };

  /** Draws uniformly until the mask is finished; from `hurry` tokens on what ends things comes first. */
  Walk walk(TokenMask& mask, std::mt19937& random, int hurry = 40) const {
    Walk out;
    ChatParser parser(Template::edge);
    Tokenizer::Stream stream(*tokenizer);
    const auto take = [&](std::vector<ChatEvent> events) {
      out.events.insert(out.events.end(), std::make_move_iterator(events.begin()),
                        std::make_move_iterator(events.end()));
    };
    while (!mask.finished()) {
      if (out.ids.size() > 4000) return out.trouble = "no end", out;
      std::vector<int32_t> ids = allowed(mask);
      if (ids.empty()) return out.trouble = "nothing may come", out;
      if (std::ssize(out.ids) >= hurry) ids = enders_of(std::move(ids));
      const int32_t next = ids[random() % ids.size()];
      if (next >= tokenizer->size()) return out.trouble = "a row without a piece may come", out;
      if (!mask.accept(next)) return out.trouble = fmt::format("{} is refused, which was allowed", next), out;
      out.ids.push_back(next);
      const std::string_view piece = tokenizer->piece(next);
      if (tokenizer->kind(next) == PieceKind::control) {
        out.text += piece;
        if (std::find(stops.begin(), stops.end(), next) != stops.end()) break;
        take(parser.text(stream.finish()));
        take(parser.control(piece));
      } else {
        const std::string text = stream.push(next);
        out.text += text;
        take(parser.text(text));
      }
    }
    take(parser.text(stream.finish()));
    take(parser.finish());
    return out;
  }

 private:
  /** Of what may come that which closes something, where anything does. */
  std::vector<int32_t> enders_of(std::vector<int32_t> ids) const {
    for (const std::string_view first : {"<|tool_response>", "<tool_call|>", "<|\"|>", "]", "}"}) {
      const int32_t end = id(first);
      if (std::find(ids.begin(), ids.end(), end) != ids.end()) return {end};
    }
    return ids;
  }
};

}  // namespace gemma
