// SPDX-License-Identifier: Apache-2.0
#include "chat/template_value.h"

#include <gtest/gtest.h>

#include "chat/letter_case.h"

namespace gemma {
namespace {

json::value parsed(std::string_view text) {
  Result<json::value> value = parse_json(text, 64, BigIntegers::keep);
  GEMMA_CHECK(value.ok(), "JSON of a test");
  return std::move(value).value();
}

std::string shown(std::string_view text) {
  const json::value value = parsed(text);
  return printed(&value);
}

TEST(TemplateValue, PrintsNumbersLikePython) {
  for (const char* same : {"0", "-7", "18446744073709551615", "123456789012345678901234567890", "-9223372036854775809",
                           "0.1", "1.0", "-0.0", "1e-07", "0.0001", "1e+16", "1e+21", "1.5e+300", "123456789012345.6",
                           "5e-324", "1234567890123456.0", "1.7976931348623157e+308"}) {
    EXPECT_EQ(shown(same), same);
  }
  EXPECT_EQ(shown("1E5"), "100000.0");
  EXPECT_EQ(shown("-0"), "0");
  EXPECT_EQ(shown("12345678901234567890123.0"), "1.2345678901234568e+22");
}

TEST(TemplateValue, PrintsOtherValuesLikePython) {
  EXPECT_EQ(shown("null") + shown("true") + shown("false") + shown("\"x\"") + printed(nullptr), "NoneTrueFalsex");
  EXPECT_EQ(shown(R"(["string", null, 1.0, {"a": "it's", "b": "\"'\n\\"}])"),
            R"(['string', None, 1.0, {'a': "it's", 'b': '"\'\n\\'}])");
  EXPECT_EQ(shown(R"(["\u0001\u007f\u00a0\u200b\u2028é🌧"])"), R"(['\x01\x7f\xa0\u200b\u2028é🌧'])");
  EXPECT_EQ(shown(R"([18446744073709551616])"), "[18446744073709551616]");
}

TEST(TemplateValue, TruthIsPythons) {
  for (const char* text : {"null", "false", "0", "0.0", "\"\"", "[]", "{}"}) {
    const json::value value = parsed(text);
    EXPECT_FALSE(is_truthy(&value)) << text;
  }
  for (const char* text :
       {"true", "-1", "18446744073709551615", "0.1", "\"0\"", "[0]", "{\"a\":0}", "99999999999999999999"}) {
    const json::value value = parsed(text);
    EXPECT_TRUE(is_truthy(&value)) << text;
  }
  EXPECT_FALSE(is_truthy(nullptr));
}

TEST(TemplateValue, ComparesLikePython) {
  const auto same = [](std::string_view a, std::string_view b) {
    const json::value x = parsed(a), y = parsed(b);
    return equal(&x, &y);
  };
  EXPECT_TRUE(same("1", "1.0"));
  EXPECT_TRUE(same("1", "true"));
  EXPECT_TRUE(same("\"c1\"", "\"c1\""));
  EXPECT_FALSE(same("\"1\"", "1"));
  EXPECT_FALSE(same("0", "null"));
  EXPECT_TRUE(same("99999999999999999999", "99999999999999999999"));
  const json::value none;
  EXPECT_TRUE(equal(nullptr, nullptr));
  EXPECT_TRUE(equal(nullptr, &none));
}

TEST(TemplateValue, TrimsTheWhiteSpaceOfUnicode) {
  EXPECT_EQ(trim(" \t\r\n\v\f\x1c\x1f a b \u0085\u00a0\u1680\u2003\u2028\u2029\u202f\u205f\u3000"), "a b");
  EXPECT_EQ(trim("\u200b \u200b"), "\u200b \u200b");
  EXPECT_EQ(trim("\xff \xc2"), "\xff \xc2");
  EXPECT_EQ(trim(" \n "), "");
}

std::string order_of(std::string_view object) {
  const json::value value = parsed(object);
  std::string order;
  for (const auto* pair : sorted_members(value.get_object())) order += std::string(pair->key()) + " ";
  return order;
}

TEST(TemplateValue, SortsKeysWithoutRegardToCase) {
  EXPECT_EQ(order_of(R"({"b": 1, "C": 1, "A": 1, "a": 1, "B": 1, "_": 1, "Z": 1})"), "_ A a b B C Z ");
  EXPECT_EQ(order_of(R"({"возраст": 1, "Имя": 1, "Адрес": 1})"), "Адрес возраст Имя ");
}

TEST(LetterCase, LowersLikePython) {
  EXPECT_EQ(lower_case("ABCxyz09-Ä Ö Ü ÉÈ ÆØÅ"), "abcxyz09-ä ö ü éè æøå");
  EXPECT_EQ(lower_case("ИМЯ Ђ Ґ ΑΒΓ ΣΟΦΟΣ Σ"), "имя ђ ґ αβγ σοφος σ");
  EXPECT_EQ(lower_case("İ ǅ Ÿ ẞ Ⓐ Ａ 𐐀 K ﬀ ı"), "i̇ ǆ ÿ ß ⓐ ａ 𐐨 k ﬀ ı");
  EXPECT_EQ(lower_case("\xff\xc3Z"), "\xff\xc3z");
}

TEST(LetterCase, RaisesTypes) {
  EXPECT_EQ(upper_case("string['null'] é ß имя ÿ"), "STRING['NULL'] É SS ИМЯ Ÿ");
  EXPECT_EQ(upper_case("x\xff"), "X\xff");
}

}  // namespace
}  // namespace gemma
