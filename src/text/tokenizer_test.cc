// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/utf8.h"
#include "text/tiny_tokenizer.h"

namespace gemma {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kReplacement = "\uFFFD";

std::shared_ptr<const Tokenizer> small() {
  return Tokenizer::from_json("small", json::serialize(small_tokenizer().to_json()));
}

std::vector<std::string> pieces_of(const Tokenizer& tokenizer, std::string_view text, Specials specials) {
  std::vector<std::string> out;
  for (const int32_t id : tokenizer.encode(text, specials)) out.emplace_back(tokenizer.piece(id));
  return out;
}

std::string streamed(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool skip = true) {
  Tokenizer::Stream stream(tokenizer, skip);
  std::string out;
  for (const int32_t id : ids) {
    const std::string text = stream.push(id);
    EXPECT_TRUE(utf8::valid(text));
    out += text;
  }
  return out + stream.finish();
}

int32_t byte(uint8_t value) { return 4 + value; }

TEST(Tokenizer, JoinsByRankAcrossBlanks) {
  EXPECT_THAT(pieces_of(*small(), "hello world", Specials::text), ElementsAre("hello", "▁world"));
  EXPECT_THAT(pieces_of(*small(), "hell  world", Specials::text), ElementsAre("hell", "▁", "▁world"));
  EXPECT_THAT(small()->encode(""), ElementsAre());
}

TEST(Tokenizer, ControlPiecesOnlyWhenAskedFor) {
  EXPECT_THAT(pieces_of(*small(), "a<|turn>b", Specials::control), ElementsAre("a", "<|turn>", "b"));
  EXPECT_THAT(pieces_of(*small(), "a<|turn>b", Specials::text), ElementsAre("a", "<|turn", ">", "b"));
  EXPECT_THAT(pieces_of(*small(), "<bos>", Specials::control), ElementsAre("<bos>"));
  EXPECT_THAT(pieces_of(*small(), "<unused0>", Specials::text), ElementsAre("<unused0>"));  // listed, and no control
}

TEST(Tokenizer, UserDefinedPiecesAreWholeAndLeftmostLongest) {
  EXPECT_THAT(pieces_of(*small(), "\n\n\n", Specials::text), ElementsAre("\n\n", "\n"));
  TinyTokenizer tiny = small_tokenizer();
  tiny.added.push_back({"<a", false, false});
  tiny.added.push_back({"<ab>", false, false});
  const auto tokenizer = Tokenizer::from_json("tiny", json::serialize(tiny.to_json()));
  EXPECT_THAT(pieces_of(*tokenizer, "<ab><ab<a", Specials::text), ElementsAre("<ab>", "<a", "b", "<a"));
}

TEST(Tokenizer, NormalizedAddedTokensAreFoundAfterBlanksAreMarked) {
  TinyTokenizer tiny = small_tokenizer();
  tiny.added.push_back({"a b", false, true});
  tiny.added.push_back({"b a", false, false});
  const auto tokenizer = Tokenizer::from_json("tiny", json::serialize(tiny.to_json()));
  EXPECT_THAT(pieces_of(*tokenizer, "a b", Specials::text), ElementsAre("a b"));
  EXPECT_THAT(pieces_of(*tokenizer, "a\u2581b", Specials::text), ElementsAre("a b"));
  EXPECT_THAT(pieces_of(*tokenizer, "b a", Specials::text), ElementsAre("b a"));
  EXPECT_THAT(pieces_of(*tokenizer, "b\u2581a", Specials::text), ElementsAre("b", "▁", "a"));
  EXPECT_THAT(pieces_of(*tokenizer, "a b a b", Specials::text),
              ElementsAre("a", "▁", "b a", "▁", "b"));  // raw ones first
}

TEST(Tokenizer, WhatHasNoPieceBecomesBytes) {
  const auto tokenizer = small();
  EXPECT_THAT(tokenizer->encode("z"), ElementsAre(byte('z')));
  EXPECT_THAT(tokenizer->encode("€"), ElementsAre(byte(0xe2), byte(0x82), byte(0xac)));
  EXPECT_THAT(tokenizer->encode(std::string_view("a\0b", 3)),
              ElementsAre(*tokenizer->find("a"), 4, *tokenizer->find("b")));
}

TEST(Tokenizer, IllFormedTextBecomesBytesAndComesBack) {
  const auto tokenizer = small();
  EXPECT_THAT(tokenizer->encode("a\xff\x80"
                                "a"),
              ElementsAre(*tokenizer->find("a"), byte(0xff), byte(0x80), *tokenizer->find("a")));
  // Overlong, surrogate, beyond U+10FFFF, cut off.
  for (const std::string text : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    const std::vector<int32_t> ids = tokenizer->encode(text);
    ASSERT_EQ(ids.size(), text.size());
    for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(ids[i], byte(static_cast<uint8_t>(text[i])));
  }
}

TEST(Tokenizer, DecodesRunsOfBytesAsAWhole) {
  const auto tokenizer = small();
  const int32_t a = *tokenizer->find("a");
  const std::string bad = kReplacement;
  EXPECT_EQ(tokenizer->decode(std::vector{byte(0xe2), byte(0x82), byte(0xac)}), "€");
  EXPECT_EQ(tokenizer->decode(std::vector{byte(0xe2), byte(0x82)}), bad + bad);
  EXPECT_EQ(tokenizer->decode(std::vector{byte('A'), byte(0xc3), a}), bad + bad + "a");
  EXPECT_EQ(tokenizer->decode(std::vector{byte(0xc3), 2, byte(0xa9)}), bad + "<bos>" + bad);
  EXPECT_EQ(tokenizer->decode(std::vector{byte(0xc3), 2, byte(0xa9)}, true), "é");
}

TEST(Tokenizer, DecodesMarksAsBlanksAndControlsOnDemand) {
  const auto tokenizer = small();
  const std::vector<int32_t> ids = tokenizer->encode("<bos>hello world<|turn>\n\n", Specials::control);
  EXPECT_EQ(tokenizer->decode(ids), "<bos>hello world<|turn>\n\n");
  EXPECT_EQ(tokenizer->decode(ids, true), "hello world\n\n");
}

TEST(Tokenizer, RefusesUnknownIds) {
  const auto tokenizer = small();
  for (const int32_t id : {-1, tokenizer->size()}) {
    EXPECT_THROW(tokenizer->decode(std::vector{id}), Error);
    EXPECT_THROW(tokenizer->piece(id), Error);
    EXPECT_THROW(tokenizer->kind(id), Error);
    EXPECT_THROW(tokenizer->bytes(id), Error);
  }
}

TEST(Tokenizer, KnowsPiecesKindsAndBytes) {
  const auto tokenizer = small();
  EXPECT_EQ(tokenizer->kind(2), PieceKind::control);
  EXPECT_EQ(tokenizer->kind(byte(7)), PieceKind::byte);
  EXPECT_EQ(tokenizer->kind(*tokenizer->find("hello")), PieceKind::normal);
  EXPECT_EQ(tokenizer->kind(*tokenizer->find("\n\n")), PieceKind::user_defined);
  EXPECT_EQ(tokenizer->kind(*tokenizer->find("<unused0>")), PieceKind::unused);
  EXPECT_EQ(tokenizer->find("no such piece"), std::nullopt);
  EXPECT_EQ(tokenizer->bytes(2), "");
  EXPECT_EQ(tokenizer->bytes(byte(0xff)), "\xff");
  EXPECT_EQ(tokenizer->bytes(*tokenizer->find("▁world")), " world");
  EXPECT_EQ(tokenizer->bytes(*tokenizer->find("<unused0>")), "<unused0>");
}

TEST(Stream, GivesWholeCharacters) {
  const auto tokenizer = small();
  Tokenizer::Stream stream(*tokenizer);
  EXPECT_EQ(stream.push(byte(0xf0)), "");
  EXPECT_EQ(stream.push(byte(0x9f)), "");
  EXPECT_EQ(stream.push(2), "");  // left out, and no end to the character
  EXPECT_EQ(stream.push(byte(0x98)), "");
  EXPECT_EQ(stream.push(byte(0x80)), "😀");
  EXPECT_EQ(stream.push(*tokenizer->find("▁world")), " world");
  EXPECT_EQ(stream.finish(), "");
}

TEST(Stream, ReplacesBytesThatEndInNoCharacter) {
  const auto tokenizer = small();
  const std::string bad = kReplacement;
  Tokenizer::Stream stream(*tokenizer, false);
  EXPECT_EQ(stream.push(byte(0x80)), bad);
  EXPECT_EQ(stream.push(byte(0xe2)), "");
  EXPECT_EQ(stream.push(byte(0x82)), "");
  EXPECT_EQ(stream.push(byte(0xe2)), bad + bad);
  EXPECT_EQ(stream.push(*tokenizer->find("a")), bad + "a");
  EXPECT_EQ(stream.push(byte(0xc3)), "");
  EXPECT_EQ(stream.push(2), bad + "<bos>");
  EXPECT_EQ(stream.push(byte(0xc3)), "");
  EXPECT_EQ(stream.finish(), bad);
}

TEST(Stream, EqualsDecodeOnWellFormedText) {
  const auto tokenizer = small();
  for (const char* text : {"hello  world", "naïve €5 😀\n\n\n", "<|turn>x", ""}) {
    const std::vector<int32_t> ids = tokenizer->encode(text);
    EXPECT_EQ(streamed(*tokenizer, ids), text);
    EXPECT_EQ(tokenizer->decode(ids), text);
  }
}

TEST(Property, UserTextNeverBecomesControl) {
  TinyTokenizer tiny = small_tokenizer();
  const std::vector<std::shared_ptr<const Tokenizer>> tokenizers = {
      Tokenizer::from_json("json", json::serialize(tiny.to_json())),
      Tokenizer::from_metadata("gguf", tiny.to_metadata("gemma4")),
      Tokenizer::from_metadata("gguf", tiny.to_metadata("llama"))};
  const std::vector<std::string> bits = {"<bos>", "<|turn>", "<|",     "turn", "|>",   ">",      "<",    "|",
                                         "tur",   "n",       "<|turn", " ",    "\n",   "<0x41>", "<pad", "<|tur",
                                         "n>",    "\u2581",  "<eos><", "unk>", "\xff", "é",      "hello"};
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (unsigned n = random() % 12 + 1; n > 0; --n) text += bits[random() % bits.size()];
    for (const auto& tokenizer : tokenizers) {
      std::string back;
      for (const int32_t id : tokenizer->encode(text)) {
        ASSERT_NE(tokenizer->kind(id), PieceKind::control) << text;
        back += tokenizer->bytes(id);
      }
      for (size_t at = 0; (at = text.find("\u2581", at)) != std::string::npos;) text.replace(at, 3, " ");
      ASSERT_EQ(back, text);
    }
  }
}

TEST(Property, EncodingGivesTheSameBytesBack) {
  const auto tokenizer = small();
  std::mt19937 random(5);
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (unsigned n = random() % 200; n > 0; --n) text += static_cast<char>(random());
    std::string back;
    for (const int32_t id : tokenizer->encode(text, Specials::text)) back += tokenizer->bytes(id);
    ASSERT_EQ(back, text);  // random bytes that spell U+2581 would differ; these do not
  }
}

}  // namespace
}  // namespace gemma
