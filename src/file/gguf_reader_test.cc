// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <limits>

#include "file/testing/files.h"

namespace gemma {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::error_of;
using testing::GgufBytes;
using ::testing::HasSubstr;
using testing::raw;
using ::testing::StartsWith;

constexpr uint32_t kU8 = 0, kI8 = 1, kU16 = 2, kI16 = 3, kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8,
                   kArray = 9, kU64 = 10, kI64 = 11, kF64 = 12;

/** Two tensors of 64 bytes each, and a key. */
GgufBytes sample() {
  GgufBytes g;
  g.keys = {GgufBytes::key("general.architecture", kString, GgufBytes::text("gemma3"))};
  g.tensors = {{"a.weight", {4, 2, 2}, 0, 0}, {"b.weight", {32}, 1, 64}};
  g.data.resize(128);
  for (size_t i = 0; i < g.data.size(); ++i) g.data[i] = static_cast<char>(i);
  return g;
}

TEST(GgufReader, ReadsKeysOfEveryType) {
  GgufBytes g = sample();
  g.keys = {GgufBytes::key("u8", kU8, raw<uint8_t>(200)),
            GgufBytes::key("i8", kI8, raw<int8_t>(-3)),
            GgufBytes::key("u16", kU16, raw<uint16_t>(65535)),
            GgufBytes::key("i16", kI16, raw<int16_t>(-300)),
            GgufBytes::key("u32", kU32, raw<uint32_t>(4000000000)),
            GgufBytes::key("i32", kI32, raw<int32_t>(-5)),
            GgufBytes::key("u64", kU64, raw<uint64_t>(std::numeric_limits<int64_t>::max())),
            GgufBytes::key("i64", kI64, raw<int64_t>(-7)),
            GgufBytes::key("f32", kF32, raw<float>(0.1f)),
            GgufBytes::key("f64", kF64, raw<double>(0.1)),
            GgufBytes::key("bool", kBool, raw<uint8_t>(1)),
            GgufBytes::key("string", kString, GgufBytes::text("a\nb ▁")),
            GgufBytes::array("bools", kBool, 3, std::string("\1\0\1", 3)),
            GgufBytes::array("numbers", kF32, 2, raw(1.5f) + raw(-2.0f)),
            GgufBytes::array("integers", kU16, 2, raw<uint16_t>(7) + raw<uint16_t>(9)),
            GgufBytes::array("strings", kString, 2, GgufBytes::text("") + GgufBytes::text("x")),
            GgufBytes::array("none", kI32, 0, "")};
  const ModelFile file = g.open();
  const Metadata& m = file.metadata();
  EXPECT_EQ(m.integer("u8"), 200);
  EXPECT_EQ(m.integer("i8"), -3);
  EXPECT_EQ(m.integer("u16"), 65535);
  EXPECT_EQ(m.integer("i16"), -300);
  EXPECT_EQ(m.integer("u32"), 4000000000);
  EXPECT_EQ(m.integer("i32"), -5);
  EXPECT_EQ(m.integer("u64"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(m.integer("i64"), -7);
  EXPECT_EQ(m.number("f32"), static_cast<double>(0.1f));
  EXPECT_EQ(m.number("f64"), 0.1);
  EXPECT_EQ(m.boolean("bool"), true);
  EXPECT_EQ(m.string("string"), "a\nb ▁");
  EXPECT_THAT(*m.booleans("bools"), ElementsAre(true, false, true));
  EXPECT_THAT(*m.numbers("numbers"), ElementsAre(1.5, -2.0));
  EXPECT_THAT(*m.integers("integers"), ElementsAre(7, 9));
  EXPECT_THAT(*m.strings("strings"), ElementsAre("", "x"));
  EXPECT_THAT(*m.integers("none"), ElementsAre());
  EXPECT_EQ(m.entry("integers")->type, MetaType::u16);
  EXPECT_EQ(m.entries().size(), 17u);
}

TEST(GgufReader, ReadsTensorsRowMajor) {
  for (const uint32_t version : {2u, 3u}) {
    GgufBytes g = sample();
    g.version = version;
    const ModelFile file = g.open();
    EXPECT_EQ(file.format(), FileFormat::gguf);
    const TensorRecord* a = file.find("a.weight");
    ASSERT_NE(a, nullptr);
    EXPECT_EQ(a->shape, (Shape{2, 2, 4}));
    EXPECT_EQ(a->dtype, DType::f32);
    const TensorRecord* b = file.find("b.weight");
    ASSERT_NE(b, nullptr);
    EXPECT_EQ(b->dtype, DType::f16);
    std::vector<std::byte> bytes(64);
    file.read(*b, bytes);
    EXPECT_EQ(bytes[0], std::byte{64});
    EXPECT_EQ(bytes[63], std::byte{127});
    std::vector<std::byte> rows(32);
    file.read_rows(*a, 2, 2, rows);
    EXPECT_EQ(rows[0], std::byte{32});
    EXPECT_EQ(file.find("c.weight"), nullptr);
  }
}

TEST(GgufReader, HonoursAnotherAlignment) {
  GgufBytes g = sample();
  g.keys.push_back(GgufBytes::key("general.alignment", kU32, raw<uint32_t>(64)));
  g.alignment = 64;
  EXPECT_EQ(g.open().find("a.weight")->offset % 64, 0);
}

TEST(GgufReader, EveryTruncationIsAnError) {
  GgufBytes g = sample();
  g.keys.push_back(GgufBytes::array("strings", kString, 2, GgufBytes::text("") + GgufBytes::text("x")));
  const std::string whole = g.str();
  for (size_t n = 0; n < whole.size(); ++n) {
    SCOPED_TRACE(n);
    const std::string message = error_of([&] { testing::open_bytes(whole.substr(0, n)); });
    EXPECT_THAT(message, StartsWith("m.gguf: "));
    if (n >= 24) {
      EXPECT_THAT(message, HasSubstr("truncated download"));
    }
  }
  EXPECT_EQ(testing::open_bytes(whole).tensors().size(), 2u);
}

TEST(GgufReader, SaysWhatIsMissingOfATruncatedTensor) {
  GgufBytes g = sample();
  g.data.resize(100);
  const auto offset = g.str().size() - 100 + 64;
  EXPECT_EQ(g.error(), fmt::format("m.gguf: tensor 'b.weight' at byte {}: needs 64 bytes, file ends after {} "
                                   "(truncated download?)",
                                   offset, g.str().size()));
}

TEST(GgufReader, RefusesOtherMagicsAndVersions) {
  GgufBytes g = sample();
  g.magic = "GGUG";
  EXPECT_EQ(g.error(),
            "m.gguf: not a model file: expected GGUF or safetensors, found a file that starts with bytes 47 "
            "47 55 47");
  g.magic = "tjgg";
  EXPECT_THAT(g.error(), HasSubstr("a GGML file from before GGUF ('ggjt') is not supported"));
  g.magic = "GGUF";
  g.version = 1;
  EXPECT_THAT(g.error(), HasSubstr("GGUF version 1 is not supported: expected 2 or 3"));
  g.version = 4;
  EXPECT_THAT(g.error(), HasSubstr("unknown GGUF version 4: expected 2 or 3"));
  g.version = 0;
  EXPECT_THAT(g.error(), HasSubstr("unknown GGUF version 0"));
  g.version = 0x03000000;
  EXPECT_THAT(g.error(), HasSubstr("big-endian GGUF is not supported: expected version 2 or 3, found 3 (bytes "));
}

TEST(GgufReader, DoesNotBelieveCounts) {
  GgufBytes g = sample();
  g.tensor_count = uint64_t{1} << 60;
  EXPECT_THAT(g.error(), AllOf(HasSubstr("header at byte 8: 1152921504606846976 tensors, but the file of "),
                               HasSubstr("has room for at most")));
  g.tensor_count.reset();
  g.key_count = std::numeric_limits<uint64_t>::max();
  EXPECT_THAT(g.error(), HasSubstr("header at byte 16: 18446744073709551615 keys, but the file of "));
  g.key_count.reset();
  g.keys.push_back(GgufBytes::array("list", kI8, uint64_t{1} << 40, ""));
  EXPECT_THAT(g.error(), AllOf(HasSubstr("key 'list' at byte "), HasSubstr("a list of 1099511627776 elements")));
  g.keys.back() = GgufBytes::key("text", kString, raw<uint64_t>(uint64_t{1} << 63));
  EXPECT_THAT(g.error(), HasSubstr("the value of 'text' has 9223372036854775808 bytes, expected at most"));
  g.keys.back() = raw<uint64_t>(uint64_t{1} << 16) + "k";
  EXPECT_THAT(g.error(), HasSubstr("the name of a key has 65536 bytes, expected at most 65535"));
  g.keys.back() = GgufBytes::key("text", kString, raw<uint64_t>(100000) + "short");
  EXPECT_THAT(g.error(),
              AllOf(HasSubstr("needs 100000 bytes for the value of 'text', file ends after "), HasSubstr("truncated")));
}

TEST(GgufReader, RefusesBadKeys) {
  const auto with = [](const std::string& key) {
    GgufBytes g = sample();
    g.keys.push_back(key);
    return g.error();
  };
  EXPECT_EQ(with(GgufBytes::key("general.architecture", kU32, raw<uint32_t>(1))),
            "m.gguf: key 'general.architecture' occurs twice");
  EXPECT_THAT(with(GgufBytes::key("", kU32, raw<uint32_t>(1))), HasSubstr("a key has an empty name"));
  EXPECT_THAT(with(GgufBytes::key("k", 13, "")), HasSubstr("the type is 13, expected 0 to 12"));
  EXPECT_THAT(with(GgufBytes::array("k", 77, 0, "")), HasSubstr("the type of the elements is 77"));
  EXPECT_THAT(with(GgufBytes::array("k", kArray, 0, "")), HasSubstr("key 'k': lists of lists are not supported"));
  EXPECT_THAT(with(GgufBytes::key("k", kU64, raw(~uint64_t{0}))),
              HasSubstr("key 'k': 18446744073709551615 is beyond the largest number supported"));
  EXPECT_THAT(with(GgufBytes::key("k", kBool, "\x02")), HasSubstr("key 'k': expected true (1) or false (0), found 2"));
  EXPECT_THAT(with(GgufBytes::key("k", kString, GgufBytes::text("ab\xff"))),
              HasSubstr("the value of 'k' is not valid UTF-8 (byte 0xff)"));
  EXPECT_THAT(with(GgufBytes::key("k\xc0", kU8, "a")), HasSubstr("the name of a key is not valid UTF-8 (byte 0xc0)"));
  EXPECT_THAT(with(GgufBytes::array("k", kString, 1, GgufBytes::text("\xed\xa0\x80"))),
              HasSubstr("an element of 'k' is not valid UTF-8"));
}

TEST(GgufReader, RefusesAbsurdAlignments) {
  const auto with = [](uint32_t type, const std::string& value) {
    GgufBytes g = sample();
    g.keys.push_back(GgufBytes::key("general.alignment", type, value));
    return g.error();
  };
  EXPECT_THAT(with(kU32, raw<uint32_t>(0)), HasSubstr("key 'general.alignment': expected a power of two up to"));
  EXPECT_THAT(with(kU32, raw<uint32_t>(48)), HasSubstr("found 48"));
  EXPECT_THAT(with(kU32, raw<uint32_t>(1u << 31)), HasSubstr("found 2147483648"));
  EXPECT_THAT(with(kI64, raw<int64_t>(std::numeric_limits<int64_t>::min())), HasSubstr("found -9223372036854775808"));
  EXPECT_THAT(with(kF32, raw(32.0f)), HasSubstr("key 'general.alignment': expected an integer, found a number"));
}

TEST(GgufReader, RefusesBadTensors) {
  const auto with = [](auto change) {
    GgufBytes g = sample();
    change(g);
    return g.error();
  };
  EXPECT_EQ(with([](GgufBytes& g) { g.tensors[1].name = "a.weight"; }), "m.gguf: tensor 'a.weight' occurs twice");
  EXPECT_THAT(with([](GgufBytes& g) { g.tensors[1].name = "\x80"; }),
              HasSubstr("the name of a tensor is not valid UTF-8"));
  EXPECT_THAT(with([](GgufBytes& g) { g.tensors[1].sizes = {1, 1, 1, 1, 1}; }),
              HasSubstr("tensor 'b.weight': expected at most 4 sizes, found 5"));
  EXPECT_THAT(with([](GgufBytes& g) { g.tensors[1].sizes = {0, 4}; }),
              HasSubstr("tensor 'b.weight': expected sizes of at least 1, found 0"));
  EXPECT_THAT(with([](GgufBytes& g) { g.tensors[1].sizes = {~uint64_t{0}}; }), HasSubstr("found -1"));
  EXPECT_THAT(with([](GgufBytes& g) { g.tensors[1].sizes = {uint64_t{1} << 32, uint64_t{1} << 31}; }),
              HasSubstr("the product of its sizes [2147483648, 4294967296] overflows"));
  EXPECT_THAT(with([](GgufBytes& g) { g.tensors[1].sizes = {uint64_t{1} << 62}; }),
              HasSubstr("the bytes of [4611686018427387904] as f16 overflow"));
  EXPECT_THAT(with([](GgufBytes& g) { g.tensors[1].type = 12; }),
              HasSubstr("tensor 'b.weight': rows of 32 values are not whole blocks of 256 (q4_k)"));
  EXPECT_THAT(with([](GgufBytes& g) { g.tensors[1].offset = 65; }),
              HasSubstr("tensor 'b.weight': offset 65 in the data section is not a multiple of the alignment 32"));
  EXPECT_THAT(with([](GgufBytes& g) { g.tensors[1].offset = uint64_t{1} << 63; }),
              HasSubstr("offset 9223372036854775808"));
  EXPECT_THAT(with([](GgufBytes& g) { g.tensors[1].offset = (uint64_t{1} << 63) - 32; }),
              HasSubstr("needs 64 bytes, file ends after"));
  EXPECT_THAT(
      with([](GgufBytes& g) { g.tensors[1].offset = 32; }),
      AllOf(HasSubstr("tensors 'a.weight' (bytes "), HasSubstr(") and 'b.weight' (from byte "), HasSubstr("overlap")));
}

TEST(GgufReader, RefusesTypesByName) {
  const std::pair<uint32_t, const char*> refused[] = {
      {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {21, "IQ3_S"}, {22, "IQ2_S"}, {29, "IQ1_M"},
      {34, "TQ1_0"},   {35, "TQ2_0"},  {39, "MXFP4"},   {40, "NVFP4"}, {41, "Q1_0"},  {42, "Q2_0"}};
  GgufBytes g = sample();
  for (const auto& [number, name] : refused) {
    g.tensors[1].type = number;
    EXPECT_THAT(g.error(), StartsWith(fmt::format("m.gguf: tensor 'b.weight': type {} is not supported: take the model "
                                                  "as Q4_0, ",
                                                  name)));
  }
  g.tensors[1].type = 31;
  EXPECT_THAT(g.error(), HasSubstr("type Q4_0_4_4 has been withdrawn from GGUF: take the model as Q4_0"));
  g.tensors[1].type = 15;
  EXPECT_THAT(g.error(), HasSubstr("type Q8_K is for intermediate results"));
  g.tensors[1].type = 28;
  EXPECT_THAT(g.error(), HasSubstr("type F64 occurs in no Gemma model"));
  g.tensors[1].type = 99;
  EXPECT_THAT(g.error(), HasSubstr("tensor 'b.weight': unknown type 99: expected a GGUF tensor type"));
}

TEST(GgufReader, NamesCannotBreakTheLineOfAMessage) {
  GgufBytes g = sample();
  g.tensors[1].name = "b\n\x1b[2J";
  g.tensors[1].type = 99;
  EXPECT_THAT(g.error(), HasSubstr("tensor 'b\\x0a\\x1b[2J': unknown type 99"));
}

TEST(GgufReader, ReadsAFileWithoutTensors) {
  GgufBytes g = sample();
  g.tensors.clear();
  g.data.clear();
  EXPECT_EQ(g.open().tensors().size(), 0u);
}

}  // namespace
}  // namespace gemma
