// SPDX-License-Identifier: Apache-2.0
#include "file/model_fingerprint.h"

#include <gtest/gtest.h>

#include "file/testing/files.h"

namespace gemma {
namespace {

constexpr int kBytes = 6000;

/** A safetensors file of one tensor. */
ModelFile file_of(const std::string& name, const std::string& shape, std::string values, const std::string& config) {
  const std::string head = R"({")" + name + R"(":{"dtype":"U8","shape":)" + shape + R"(,"data_offsets":[0,6000]}})";
  std::string text(8, '\0');
  text[0] = static_cast<char>(head.size());
  text += head + values;
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  std::vector<std::unique_ptr<ByteSource>> sources;
  sources.push_back(memory_source("m.safetensors", std::move(bytes)));
  return ModelFile::open(std::move(sources), {{"config.json", config}});
}

TEST(ModelFingerprint, IsOfWhatTheFileHolds) {
  const std::string values(kBytes, 'x');
  const auto of = [&](const std::string& name, const std::string& shape, const std::string& bytes,
                      const std::string& config) { return fingerprint_of(file_of(name, shape, bytes, config)); };
  const Fingerprint one = of("a", "[6000]", values, "{}");
  EXPECT_EQ(of("a", "[6000]", values, "{}"), one);
  EXPECT_NE(of("b", "[6000]", values, "{}"), one);
  EXPECT_NE(of("a", "[60,100]", values, "{}"), one);
  EXPECT_NE(of("a", "[6000]", values, R"({"a":1})"), one);
  for (const size_t place : {0, 1000, 2600, 3400, 5000, 5999}) {
    std::string other = values;
    other[place] = 'y';
    EXPECT_NE(of("a", "[6000]", other, "{}"), one) << place;
  }
  EXPECT_EQ(one.hex().size(), 32u);
}

TEST(ModelFingerprint, OfAFileIsOfEachByte) {
  const testing::TempFolder folder;
  std::string text((3 << 20) + 5, 'x');
  const Fingerprint one = fingerprint_of_file(folder.write("a", text));
  EXPECT_EQ(fingerprint_of_file(folder.write("b", text)), one);
  for (const size_t place : {size_t{0}, size_t{1} << 20, text.size() - 1}) {
    std::string other = text;
    other[place] = 'y';
    EXPECT_NE(fingerprint_of_file(folder.write("c", other)), one);
  }
  EXPECT_NE(fingerprint_of_file(folder.write("c", text + "x")), one);
}

}  // namespace
}  // namespace gemma
