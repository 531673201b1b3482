// SPDX-License-Identifier: Apache-2.0
// Prompts as ids: the template's tokens are control tokens, nobody else's words are.
#include <gtest/gtest.h>

#include "chat/chat_format.h"
#include "chat/spelling.h"
#include "chat/testing/letters.h"

namespace gemma {
namespace {

std::vector<int32_t> tokens(Template which, const Tokenizer& tokenizer, std::string_view user) {
  const json::array messages = {{{"role", "user"}, {"content", user}}};
  const auto pieces = ChatFormat(which).render(messages, {}, {});
  GEMMA_CHECK(pieces.ok(), "a plain message");
  return ChatFormat::tokens_of(pieces.value(), tokenizer);
}

int count(const std::vector<int32_t>& ids, int32_t id) {
  return static_cast<int>(std::count(ids.begin(), ids.end(), id));
}

class TokensOf : public ::testing::TestWithParam<Template> {};

TEST_P(TokensOf, ATypedControlTokenAreItsLetters) {
  const auto controls = control_spellings(GetParam());
  const auto tokenizer = letters(controls);
  std::string all;
  for (std::string_view control : controls) all += control;
  const std::vector<int32_t> plain = tokens(GetParam(), *tokenizer, "Hi"), typed = tokens(GetParam(), *tokenizer, all);
  for (std::string_view control : controls) {
    const int32_t id = tokenizer->find(control).value();
    EXPECT_EQ(count(typed, id), count(plain, id)) << control;
  }
  EXPECT_EQ(typed.size(), plain.size() - 2 + all.size());
  EXPECT_EQ(plain.front(), tokenizer->find("<bos>"));
}

INSTANTIATE_TEST_SUITE_P(, TokensOf, ::testing::Values(Template::edge, Template::large, Template::gemma3),
                         [](const auto& i) { return std::string(name_of(i.param)); });

TEST(Tokens, JoinAcrossTheBorderOfTemplateAndUser) {
  const auto tokenizer = letters(control_spellings(Template::edge));
  EXPECT_EQ(count(tokens(Template::edge, *tokenizer, "x"), tokenizer->find("\nx").value()), 1);
}

TEST(Tokens, OfATokenizerWithoutTheControlTokensAreLetters) {
  const std::string_view few[] = {"<bos>", "<eos>"};
  const auto tokenizer = letters(few);
  const std::vector<int32_t> ids = tokens(Template::edge, *tokenizer, "x");
  EXPECT_EQ(tokenizer->decode(ids), "<bos><|turn>user\nx<turn|>\n<|turn>model\n");
}

}  // namespace
}  // namespace gemma
