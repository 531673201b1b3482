// SPDX-License-Identifier: Apache-2.0
// Any bytes through a small tokenizer of each form: the ids give the same bytes back, whole and as a stream, and no
// control piece comes out of a text.
// Links: text
#include <array>

#include "base/utf8.h"
#include "fuzz/fuzz.h"
#include "text/tiny_tokenizer.h"
#include "text/tokenizer.h"

namespace gemma {
namespace {

std::array<std::shared_ptr<const Tokenizer>, 3> make_tokenizers() {
  const TinyTokenizer tiny = small_tokenizer();
  return {Tokenizer::from_json("json", json::serialize(tiny.to_json())),
          Tokenizer::from_metadata("merges", tiny.to_metadata("gemma4")),
          Tokenizer::from_metadata("scores", tiny.to_metadata("llama"))};
}

/** Marks cannot be told from blanks once they are ids. */
std::string unmarked(std::string_view text) {
  constexpr std::string_view kMark = "\u2581";
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const bool mark = text.substr(at).starts_with(kMark);
    out += mark ? ' ' : text[at];
    at += mark ? kMark.size() : 1;
  }
  return out;
}

void check(const Tokenizer& tokenizer, std::string_view text, Specials specials) {
  const std::vector<int32_t> ids = tokenizer.encode(text, specials);
  std::string back, streamed;
  Tokenizer::Stream stream(tokenizer, false);
  for (const int32_t id : ids) {
    const bool control = tokenizer.kind(id) == PieceKind::control;
    if (control && specials == Specials::text) __builtin_trap();
    back += control ? std::string(tokenizer.piece(id)) : tokenizer.bytes(id);
    const std::string some = stream.push(id);
    if (!utf8::valid(some)) __builtin_trap();
    streamed += some;
  }
  streamed += stream.finish();
  const std::string expected = unmarked(text), decoded = tokenizer.decode(ids);
  if (back != expected || !utf8::valid(decoded) || streamed != utf8::replace_invalid(expected)) __builtin_trap();
  if (utf8::valid(text) && decoded != expected) __builtin_trap();
}

}  // namespace
}  // namespace gemma

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto tokenizers = gemma::make_tokenizers();
  const std::string_view text = gemma::fuzz::text(data, size);
  for (const auto& tokenizer : tokenizers) {
    gemma::check(*tokenizer, text, gemma::Specials::text);
    gemma::check(*tokenizer, text, gemma::Specials::control);
  }
  return 0;
}
