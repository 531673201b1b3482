// SPDX-License-Identifier: Apache-2.0
#include "base/one_line.h"

#include <gtest/gtest.h>

namespace gemma {
namespace {

TEST(OneLine, ControlsAreSpelledOutAndAllElseStays) {
  EXPECT_EQ(one_line("a\nb\x1b[2J\x7f\t"), "a\\x0ab\\x1b[2J\\x7f\\x09");
  EXPECT_EQ(one_line(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(one_line("grün \\x \xff"), "grün \\x \xff");
  EXPECT_EQ(one_line(one_line("a\nb")), one_line("a\nb"));
}

}  // namespace
}  // namespace gemma
