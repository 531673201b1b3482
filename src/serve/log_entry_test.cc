// SPDX-License-Identifier: Apache-2.0
#include "serve/log_entry.h"

#include <gtest/gtest.h>

namespace gemma::serve {
namespace {

TEST(LogEntry, IsOneLineWhateverIsInIt) {
  LogEntry entry({{"id", "req_1"}, {"method", "POST"}, {"path", "/v1/messages"}}, true);
  entry.set("seconds", 0.25);
  entry.set("status", 200);
  entry.set("messages", json::array{json::object{{"content", "a\nb=\"c\""}}});
  entry.set("word", "two words");
  entry.set("none", "");
  EXPECT_TRUE(entry.wants_content());
  EXPECT_EQ(text_line(entry.take()),
            R"(id=req_1 POST /v1/messages seconds=0.250 status=200 messages=[{"content": "a\nb=\"c\""}] )"
            R"(word="two words" none="")");
}

}  // namespace
}  // namespace gemma::serve
