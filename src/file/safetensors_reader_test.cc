// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "file/testing/files.h"

namespace gemma {
namespace {

using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;
using testing::raw;
using testing::safetensors_bytes;
using ::testing::StartsWith;

constexpr const char* kName = "m.safetensors";

ModelFile open(std::string_view header, std::string_view data = std::string(64, 'd')) {
  return testing::open_bytes(safetensors_bytes(header, data), kName);
}

std::string error(std::string_view header, std::string_view data = std::string(64, 'd')) {
  return error_of([&] { open(header, data); });
}

/** The error of a header with the one tensor "t". */
std::string tensor_error(const std::string& fields) { return error("{\"t\": " + fields + "}"); }

constexpr const char* kGood = R"({"__metadata__": {"format": "pt"},
  "b": {"dtype": "F16", "shape": [], "data_offsets": [24, 26]},
  "a.weight": {"dtype": "BF16", "shape": [2, 6], "data_offsets": [0, 24]}})";

TEST(SafetensorsReader, ReadsTensorsInFileOrder) {
  std::string data(26, '\0');
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i);
  const ModelFile file = open(kGood, data);
  EXPECT_EQ(file.format(), FileFormat::safetensors);
  ASSERT_EQ(file.tensors().size(), 2u);
  EXPECT_EQ(file.tensors()[0].name, "a.weight");
  EXPECT_EQ(file.tensors()[0].dtype, DType::bf16);
  EXPECT_EQ(file.tensors()[0].shape, (Shape{2, 6}));
  EXPECT_EQ(file.tensors()[1].shape, Shape{});
  EXPECT_EQ(file.metadata().entries().size(), 0u);
  std::vector<std::byte> row(12);
  file.read_rows(file.tensors()[0], 1, 1, row);
  EXPECT_EQ(row[0], std::byte{12});
  std::vector<std::byte> scalar(2);
  file.read(*file.find("b"), scalar);
  EXPECT_EQ(scalar[1], std::byte{25});
}

TEST(SafetensorsReader, ReadsEveryPlainType) {
  const std::pair<const char*, DType> types[] = {{"F32", DType::f32}, {"F16", DType::f16}, {"BF16", DType::bf16},
                                                 {"I32", DType::i32}, {"I64", DType::i64}, {"U8", DType::u8}};
  for (const auto& [name, dtype] : types) {
    const ModelFile file = open(fmt::format(R"({{"t": {{"dtype": "{}", "shape": [4], "data_offsets": [8, {}]}}}})",
                                            name, 8 + bytes_of(dtype, 4)));
    EXPECT_EQ(file.find("t")->dtype, dtype);
  }
}

TEST(SafetensorsReader, EveryTruncationIsAnError) {
  const std::string whole = safetensors_bytes(kGood, std::string(26, 'd'));
  for (size_t n = 0; n < whole.size(); ++n) {
    SCOPED_TRACE(n);
    EXPECT_THAT(error_of([&] { testing::open_bytes(whole.substr(0, n), kName); }), StartsWith("m.safetensors: "));
  }
  EXPECT_EQ(testing::open_bytes(whole, kName).tensors().size(), 2u);
}

TEST(SafetensorsReader, SaysWhatIsMissingOfATruncatedTensor) {
  const auto size = safetensors_bytes(kGood, "").size();
  EXPECT_EQ(error(kGood, std::string(25, 'd')),
            fmt::format("m.safetensors: tensor 'b' at byte {}: needs 2 bytes, file ends after {} (truncated download?)",
                        size + 24, size + 25));
}

TEST(SafetensorsReader, DoesNotBelieveTheHeaderLength) {
  const auto with = [](uint64_t length) { return error_of([&] { testing::open_bytes(raw(length) + "{}", kName); }); };
  EXPECT_EQ(with(3),
            "m.safetensors: header at byte 8: needs 3 bytes, file ends after 10 (truncated download, or not "
            "safetensors?)");
  EXPECT_THAT(with(~uint64_t{0}), HasSubstr("needs 18446744073709551615 bytes"));
  EXPECT_THAT(with(uint64_t{1} << 63), HasSubstr("needs 9223372036854775808 bytes"));
  EXPECT_THAT(with(0), HasSubstr("header: "));
}

TEST(SafetensorsReader, RefusesHeadersThatAreNotJson) {
  EXPECT_THAT(error("{"), StartsWith("m.safetensors: header: line 1, column 2: not valid JSON"));
  EXPECT_THAT(error("[]"), HasSubstr("header: expected a JSON object of tensors"));
  EXPECT_THAT(error("{} x"), HasSubstr("expected the end of the JSON text"));
  EXPECT_THAT(error("{\"a\": " + std::string(10000, '[') + std::string(10000, ']') + "}"),
              HasSubstr("JSON is nested deeper than 32 levels"));
  EXPECT_THAT(error("{\"a\xff\": 1}"), HasSubstr("header at byte 11: not valid UTF-8 (byte 0xff)"));
  EXPECT_THAT(error(R"({"\ud800": 1})"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error(R"({"\udc00x": 1})"), HasSubstr("not valid JSON"));
}

TEST(SafetensorsReader, RefusesNamesThatOccurTwice) {
  const std::string one = R"({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})";
  const std::string two = R"({"dtype": "F32", "shape": [1], "data_offsets": [4, 8]})";
  EXPECT_EQ(error("{\"t\": " + one + ", \"t\": " + two + "}"), "m.safetensors: header: tensor 't' occurs twice");
  EXPECT_EQ(error(R"({"a\"}{": )" + one + R"(, "a\"}{": )" + two + "}"),
            R"(m.safetensors: header: tensor 'a\"}{' occurs twice)");
  EXPECT_EQ(error(R"({"t": )" + one + R"(, "\u0074": )" + two + "}"), "m.safetensors: header: a tensor occurs twice");
  EXPECT_EQ(open("{\"t\": " + one + ", \"u\": " + two + "}").tensors().size(), 2u);
}

TEST(SafetensorsReader, RefusesBadEntries) {
  EXPECT_THAT(tensor_error("7"), HasSubstr("tensor 't': expected an object with dtype, shape and data_offsets"));
  EXPECT_THAT(tensor_error("{}"), HasSubstr("tensor 't': expected a string 'dtype'"));
  EXPECT_THAT(tensor_error(R"({"dtype": 1})"), HasSubstr("tensor 't': expected a string 'dtype'"));
  EXPECT_THAT(tensor_error(R"({"dtype": "F32"})"), HasSubstr("tensor 't': expected a list 'shape'"));
  EXPECT_THAT(tensor_error(R"({"dtype": "F32", "shape": [-1]})"),
              HasSubstr("tensor 't': expected whole numbers from 0 to 2^63 in 'shape', found -1"));
  EXPECT_THAT(tensor_error(R"({"dtype": "F32", "shape": [1.5]})"), HasSubstr("in 'shape', found 1.5"));
  EXPECT_THAT(tensor_error(R"({"dtype": "F32", "shape": [18446744073709551615]})"),
              HasSubstr("in 'shape', found 184467"));
  EXPECT_THAT(tensor_error(R"({"dtype": "F32", "shape": [2, 0]})"), HasSubstr("expected sizes of at least 1, found 0"));
  EXPECT_THAT(tensor_error(R"({"dtype": "F32", "shape": [1, 1, 1, 1, 1]})"), HasSubstr("at most 4 sizes, found 5"));
  EXPECT_THAT(tensor_error(R"({"dtype": "F32", "shape": [4294967296, 2147483648]})"),
              HasSubstr("the product of its sizes [4294967296, 2147483648] overflows"));
  EXPECT_THAT(tensor_error(R"({"dtype": "F32", "shape": [4611686018427387904]})"), HasSubstr("as f32 overflow"));
  EXPECT_THAT(tensor_error(R"({"dtype": "F32", "shape": [2]})"), HasSubstr("expected a list 'data_offsets'"));
  EXPECT_THAT(tensor_error(R"({"dtype": "F32", "shape": [2], "data_offsets": [0, 8, 9]})"),
              HasSubstr("expected data_offsets [begin, end], found [0, 8, 9]"));
  EXPECT_THAT(tensor_error(R"({"dtype": "F32", "shape": [2], "data_offsets": [8, 0]})"), HasSubstr("found [8, 0]"));
  EXPECT_THAT(tensor_error(R"({"dtype": "F32", "shape": [2], "data_offsets": [0, 9]})"),
              HasSubstr("tensor 't': F32 [2] needs 8 bytes, data_offsets [0, 9] hold 9"));
  EXPECT_THAT(
      tensor_error(R"({"dtype": "F32", "shape": [2], "data_offsets": [9223372036854775800, 9223372036854775808]})"),
      HasSubstr("in 'data_offsets', found 9223372036854775808"));
  EXPECT_THAT(
      tensor_error(R"({"dtype": "F32", "shape": [2], "data_offsets": [9223372036854775792, 9223372036854775800]})"),
      HasSubstr("needs 8 bytes, file ends after"));
}

TEST(SafetensorsReader, RefusesOverlappingTensors) {
  EXPECT_THAT(error(R"({"a": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]},
                        "b": {"dtype": "U8", "shape": [8], "data_offsets": [7, 15]}})"),
              AllOf(HasSubstr("tensors 'a' (bytes "), HasSubstr("and 'b' (from byte "), HasSubstr("overlap")));
}

TEST(SafetensorsReader, RefusesTypesByName) {
  const auto with = [](std::string_view type) { return tensor_error(fmt::format(R"({{"dtype": "{}"}})", type)); };
  EXPECT_THAT(with("F8_E4M3"),
              HasSubstr("tensor 't': FP8 weights (F8_E4M3) are not supported: take the BF16 checkpoint"));
  EXPECT_THAT(with("F8_E5M2"), HasSubstr("FP8 weights (F8_E5M2)"));
  EXPECT_THAT(with("F4"), HasSubstr("F4 weights (MXFP4, NVFP4 and their like) are not supported"));
  EXPECT_THAT(with("F64"), HasSubstr("type F64 is not supported: expected F32, F16, BF16, I32, I64 or U8"));
  EXPECT_THAT(with("f32"), HasSubstr("type f32 is not supported"));
}

}  // namespace
}  // namespace gemma
