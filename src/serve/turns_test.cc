// SPDX-License-Identifier: Apache-2.0
#include "serve/turns.h"

#include <gtest/gtest.h>

namespace gemma::serve {
namespace {

std::string written(Turns& turns) {
  const auto result = turns.finish("end");
  return result ? write_json(result.value().messages) : result.failure().message();
}

TEST(Turns, NeighboursOfOneRoleAreOneTurn) {
  Turns turns;
  turns.speak("system", "system");
  turns.text("s");
  turns.speak("user", "m[0]");
  turns.text("a");
  turns.speak("user", "m[1]");
  turns.text("b");
  turns.media({media::Kind::image, "m[1][1]", "bytes"});
  turns.text("c");
  EXPECT_EQ(written(turns),
            R"([{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "a\nb"}, )"
            R"({"type": "image"}, {"type": "text", "text": "c"}]}])");
}

/** The template prints a message's calls, and their results, before its text. */
TEST(Turns, TextBeforeACallStaysBeforeIt) {
  Turns turns;
  turns.speak("user", "m[0]");
  turns.text("u");
  turns.speak("assistant", "m[1]");
  turns.thought("t");
  turns.text("a");
  turns.call("1", "f", {{"x", 1}}, "m[1][2]");
  turns.call("2", "g", {}, "m[1][3]");
  turns.result("2", "m[2][0]");
  turns.text("two");
  turns.result("1", "m[2][1]");
  turns.speak("user", "m[2]");
  turns.text("v");
  EXPECT_EQ(written(turns),
            R"([{"role": "user", "content": "u"}, {"role": "assistant", "reasoning_content": "t", "content": "a"}, )"
            R"({"role": "assistant", "content": "", "tool_calls": [{"id": "1", "type": "function", "function": )"
            R"({"name": "f", "arguments": {"x": 1}}}, {"id": "2", "type": "function", "function": )"
            R"({"name": "g", "arguments": {}}}]}, {"role": "tool", "tool_call_id": "2", "content": "two"}, )"
            R"({"role": "tool", "tool_call_id": "1", "content": ""}, {"role": "user", "content": "v"}])");
}

TEST(Turns, CallsAndResultsBelongTogether) {
  const auto fault = [](auto&& say) {
    Turns turns;
    turns.speak("assistant", "m[0]");
    turns.call("1", "f", {}, "m[0][0]");
    say(turns);
    return written(turns);
  };
  EXPECT_EQ(fault([](Turns&) {}), "end: the tool call '1' before it has no result");
  EXPECT_EQ(fault([](Turns& t) { t.speak("user", "m[1]"); }), "m[1]: the tool call '1' before it has no result");
  EXPECT_EQ(fault([](Turns& t) { t.result("2", "m[1][0]"); }),
            "m[1][0]: no tool call before it that waits has the id '2'");
  EXPECT_EQ(fault([](Turns& t) { t.call("1", "g", {}, "m[0][1]"); }), "m[0][1]: two calls have the id '1'");
}

TEST(Turns, AnAnswerThatIsBegun) {
  const auto begun = [](auto&& say) {
    Turns turns;
    turns.speak("user", "m[0]");
    turns.text("u");
    turns.speak("assistant", "m[1]");
    say(turns);
    const std::string text = turns.take_begun_answer();
    return text + " " + written(turns);
  };
  EXPECT_EQ(begun([](Turns& t) { t.text("The best is ("); }), R"(The best is ( [{"role": "user", "content": "u"}])");
  EXPECT_EQ(begun([](Turns& t) { t.text("a "); }), "a  m[1]: the beginning of an answer cannot end in white space");
  EXPECT_EQ(begun([](Turns& t) { t.thought("a"), t.text("b"); }), " m[1]: an answer can be begun with text only");
  EXPECT_EQ(begun([](Turns&) {}), " m[1]: is empty");
}

}  // namespace
}  // namespace gemma::serve
