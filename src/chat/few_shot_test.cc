// SPDX-License-Identifier: Apache-2.0
#include "chat/few_shot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gemma {
namespace {

TEST(FewShot, PutsTurnsBehindTheExamples) {
  const json::array messages = parse_json_or_fail("t", R"([{"role": "system", "content": "Be brief."},
      {"role": "user", "content": "One?\n\n\nTwo?\n"}, {"role": "assistant", "content": "Yes."},
      {"role": "user", "content": "Three?"}])")
                                   .as_array();
  const Result<std::string> prompt = few_shot_prompt(messages);
  ASSERT_TRUE(prompt);
  EXPECT_THAT(prompt.value(), testing::StartsWith("Be brief.\n\nQuestion: "));
  EXPECT_THAT(prompt.value(), testing::EndsWith("Question: One?\nTwo?\nAnswer: Yes.\n\nQuestion: Three?\nAnswer:"));
}

TEST(FewShot, RefusesWhatTheFrameCannotSay) {
  const auto field = [](const char* messages) {
    const Result<std::string> prompt = few_shot_prompt(parse_json_or_fail("t", messages).as_array());
    return prompt ? "accepted" : prompt.failure().field;
  };
  EXPECT_EQ(field(R"([{"role": "tool", "content": "x"}])"), "messages[0].role");
  EXPECT_EQ(field(R"([{"role": "user", "content": "x"}, {"role": "user", "content": [1]}])"), "messages[1]");
  EXPECT_EQ(field("[3]"), "messages[0]");
}

}  // namespace
}  // namespace gemma
