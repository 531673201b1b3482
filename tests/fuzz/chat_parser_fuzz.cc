// SPDX-License-Identifier: Apache-2.0
// Answers of a model, cut in two ways: the same joined events, and nothing of the text lost. The first byte chooses the
// template and whether the prompt has opened a thought, the second seeds the cuts, the rest is the answer, in which the
// spellings of control tokens are the tokens, except behind a byte 0xFE: there somebody typed them.
// Links: chat
#include <algorithm>
#include <string>

#include "chat/chat_format.h"
#include "chat/spelling.h"
#include "fuzz/fuzz.h"

namespace {

using gemma::ChatEvent;
using gemma::PromptPiece;
using gemma::Template;

struct Joined {
  std::string text, thought, calls;
  bool operator==(const Joined&) const = default;
};

std::vector<PromptPiece> pieces_of(Template which, std::string_view answer) {
  std::vector<PromptPiece> pieces;
  for (const gemma::Spelled& part : gemma::split_controls(answer, gemma::control_spellings(which))) {
    const bool typed = !pieces.empty() && !pieces.back().control && pieces.back().text.ends_with('\xfe');
    pieces.push_back({std::string(part.text), part.control && !typed});
  }
  return pieces;
}

bool reads_as(std::string_view text, const gemma::json::object& arguments) {
  const auto parsed = gemma::parse_json(text, 256, gemma::BigIntegers::keep);
  return parsed.ok() && parsed.value() == gemma::json::value(arguments);
}

/** Feeds the pieces, text in portions of next_size() bytes. What comes of a call in pieces reads as the whole. */
template <class Size>
Joined parse(Template which, std::string_view prompt, const std::vector<PromptPiece>& pieces, Size next_size) {
  gemma::ChatParser parser(which, prompt);
  parser.give_calls_in_pieces();
  Joined joined;
  std::string said;
  const auto take = [&](const std::vector<ChatEvent>& events) {
    for (const ChatEvent& event : events) {
      if (const auto* text = std::get_if<gemma::TextDelta>(&event)) joined.text += text->text;
      if (const auto* thought = std::get_if<gemma::ThoughtDelta>(&event)) joined.thought += thought->text;
      if (const auto* piece = std::get_if<gemma::CallDelta>(&event)) {
        said += piece->json;
        continue;
      }
      if (const auto* call = std::get_if<gemma::ToolCall>(&event)) {
        if (!reads_as(said, call->arguments)) __builtin_trap();
        joined.calls += fmt::format("{}{}@{}\n", call->name, gemma::write_json(call->arguments), joined.text.size());
      }
      said.clear();
    }
  };
  for (const PromptPiece& piece : pieces) {
    if (piece.control) take(parser.control(piece.text));
    for (std::string_view rest = piece.text; !piece.control && !rest.empty();) {
      const size_t n = std::min<size_t>(rest.size(), next_size());
      take(parser.text(rest.substr(0, n)));
      rest.remove_prefix(n);
    }
  }
  take(parser.finish());
  return joined;
}

size_t ink(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return std::string_view(" \t\r\n\v\f\x1c\x1d\x1e\x1f").find(c) == std::string_view::npos;
  }));
}

/** Where there are no calls, and no white space beyond ASCII, what is not given out is the markers of thoughts: some
 *  openings, and at most one closing more or less. */
bool lost_nothing(Template which, const std::vector<PromptPiece>& pieces, const Joined& joined) {
  const size_t open = ink("<|channel>thought\n"), close = ink("<channel|>");
  size_t missing = 0;
  for (const PromptPiece& piece : pieces) {
    const std::string_view end = which == Template::gemma3 ? "<end_of_turn>" : "<turn|>";
    if (piece.control && (piece.text == end || piece.text == "<eos>" || piece.text == "<|tool_response>")) break;
    if (piece.text.find_first_of("\xC2\xE1\xE2\xE3") != std::string::npos) return true;
    missing += ink(piece.text);
  }
  missing -= ink(joined.text) + ink(joined.thought);
  for (size_t n = 0; n * open <= missing; ++n) {
    for (size_t closings = n > 0 ? n - 1 : 0; closings <= n + 1; ++closings) {
      if (n * open + closings * close == missing) return true;
    }
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto which = static_cast<Template>(data[0] % 3);
  const std::string_view prompt = data[0] & 0x80 ? "<|turn>model\n<|channel>thought\n" : "";
  const std::vector<PromptPiece> pieces = pieces_of(which, gemma::fuzz::text(data + 2, size - 2));
  uint32_t seed = data[1];
  const Joined whole = parse(which, prompt, pieces, [] { return size_t{1} << 20; });
  const Joined cut =
      parse(which, prompt, pieces, [&] { return 1 + (seed = seed * 1664525 + 1013904223) / (1u << 29); });
  if (cut != whole || (whole.calls.empty() && !lost_nothing(which, pieces, whole))) __builtin_trap();
  return 0;
}
