// SPDX-License-Identifier: Apache-2.0
#include "serve/multipart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gemma::serve {
namespace {

using testing::HasSubstr;

constexpr const char* kType = "multipart/form-data; boundary=XX";
std::string fault(std::string_view type, std::string_view body) {
  const auto form = read_form(type, body);
  return form ? "" : form.failure().message();
}

TEST(Multipart, FieldsAndFiles) {
  const auto form = read_form(kType,
                              "--XX\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n"
                              "--XX\r\ncontent-type: audio/wav\r\nCONTENT-DISPOSITION: form-data; name=file; "
                              "filename=\"a \\\"b\\\".wav\"\r\n\r\n\r\n--X\r\n\r\n\r\n--XX--\r\n");
  ASSERT_TRUE(form.ok()) << form.failure().message();
  ASSERT_EQ(form.value().size(), 2U);
  EXPECT_EQ(form.value()[0].name, "model");
  EXPECT_EQ(form.value()[0].bytes, "m");
  EXPECT_EQ(form.value()[0].filename, "");
  EXPECT_EQ(form.value()[1].filename, "a \"b\".wav");
  EXPECT_EQ(form.value()[1].bytes, "\r\n--X\r\n\r\n");
}

TEST(Multipart, PreambleQuotedBoundaryEmptyValue) {
  const auto form = read_form("multipart/form-data; charset=x; boundary=\"a b\"",
                              "preamble\r\n--a b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\r\n--a b--");
  ASSERT_TRUE(form.ok()) << form.failure().message();
  ASSERT_EQ(form.value().size(), 1U);
  EXPECT_EQ(form.value()[0].bytes, "");
  EXPECT_TRUE(read_form(kType, "--XX--").value().empty());
}

TEST(Multipart, WhatIsNoForm) {
  EXPECT_THAT(fault("application/json", "{}"), HasSubstr("expected a body of multipart/form-data"));
  EXPECT_THAT(fault("multipart/form-data", ""), HasSubstr("boundary"));
  EXPECT_THAT(fault(kType, "nothing"), HasSubstr("not in the body"));
  EXPECT_THAT(fault(kType, "--XX"), HasSubstr("ends within"));
  EXPECT_THAT(fault(kType, "--XX\r\n\r\n"), HasSubstr("ends within"));
  EXPECT_THAT(fault(kType, "--XX\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XX--"),
              HasSubstr("part 1 has no name"));
  const std::string part = "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n";
  EXPECT_THAT(fault(kType, part + part + part + "--XX--").c_str(), testing::StrEq(""));
  EXPECT_FALSE(read_form(kType, part + part + part + "--XX--", 2).ok());
}

}  // namespace
}  // namespace gemma::serve
