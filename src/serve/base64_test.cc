// SPDX-License-Identifier: Apache-2.0
#include "serve/base64.h"

#include <gtest/gtest.h>

namespace gemma::serve {
namespace {

TEST(Base64, Rfc4648Vectors) {
  EXPECT_EQ(base64_decoded(""), "");
  EXPECT_EQ(base64_decoded("Zg=="), "f");
  EXPECT_EQ(base64_decoded("Zm8="), "fo");
  EXPECT_EQ(base64_decoded("Zm9v"), "foo");
  EXPECT_EQ(base64_decoded("Zm9vYg=="), "foob");
  EXPECT_EQ(base64_decoded("Zm9vYmE="), "fooba");
  EXPECT_EQ(base64_decoded("Zm9vYmFy"), "foobar");
  for (const char* text : {"", "f", "fo", "foo", "foob"}) EXPECT_EQ(base64_decoded(base64_encoded(text)), text);
  EXPECT_EQ(base64_encoded("foob"), "Zm9vYg==");
}

TEST(Base64, BothAlphabetsNoPaddingLineBreaks) {
  EXPECT_EQ(base64_decoded("-_8"), "\xfb\xff");
  EXPECT_EQ(base64_decoded("+/8="), "\xfb\xff");
  EXPECT_EQ(base64_decoded("Zm9v\r\nYmFy\n"), "foobar");
  EXPECT_EQ(base64_decoded("Zg"), "f");
}

TEST(Base64, Refuses) {
  for (const char* text : {"Z", "Zm9vY", "Zg=", "Zg===", "Z===", "Zm9v=", "Zg==Zg==", "Zm9 v", "Zm9v!", "=Zm9"}) {
    EXPECT_FALSE(base64_decoded(text)) << text;
  }
}

}  // namespace
}  // namespace gemma::serve
