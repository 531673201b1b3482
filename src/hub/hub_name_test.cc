// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gemma::hub {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

HubName named(std::string_view text) {
  const auto name = parse_hub_name(text);
  EXPECT_TRUE(name) << text;
  return name.value_or(HubName{});
}

TEST(HubName, ReadsOwnerNameRevisionAndFile) {
  const HubName name = named("google/gemma-4@refs/pr/3:sub/m-q4_0.gguf");
  EXPECT_EQ(name.owner, "google");
  EXPECT_EQ(name.name, "gemma-4");
  EXPECT_EQ(name.revision, "refs/pr/3");
  EXPECT_EQ(name.file, "sub/m-q4_0.gguf");
  EXPECT_EQ(name.text(), "google/gemma-4@refs/pr/3:sub/m-q4_0.gguf");
  EXPECT_EQ(named("a/b").revision, "main");
  EXPECT_EQ(named("a/b:Q4_0").file, "Q4_0");
}

TEST(HubName, RefusesWhatIsNone) {
  for (const char* text : {"", "a", "a/", "/b", "a/b/c", "a/..", "./b", "../b", "a/b:", "a/b:../c", "a/b:/c", "a/b@",
                           "a/b@../x", "a b/c", "a/b\n", "-a/b", "https://x/y", "a/b:c\x01"}) {
    EXPECT_FALSE(parse_hub_name(text)) << text;
  }
}

TEST(HubName, FilesStayInTheirFolder) {
  for (const char* good : {"a", "a/b.gguf", "a b", ".gitattributes", "a..b"}) EXPECT_TRUE(is_file_name(good)) << good;
  for (const char* bad : {"", "/a", "a/", "a//b", "..", "a/../b", ".", "a\\b", "a\nb"}) {
    EXPECT_FALSE(is_file_name(bad)) << bad;
  }
  EXPECT_FALSE(is_file_name(std::string(2000, 'a')));
}

TEST(HubName, AFolderIsWhatAModelNeeds) {
  const std::vector<std::string> all{".gitattributes", "README.md",       "config.json",     "model.safetensors",
                                     "tokenizer.json", "onnx/model.onnx", "original/a.json", "picture.png"};
  const auto files = files_of(named("a/b"), all);
  ASSERT_TRUE(files);
  EXPECT_THAT(files.value(), ElementsAre("README.md", "config.json", "model.safetensors", "tokenizer.json"));
  EXPECT_TRUE(is_folder(files.value()));
  EXPECT_THAT(files_of(named("a/b:picture.png"), all).value(), ElementsAre("picture.png"));
  EXPECT_THAT(files_of(named("a/b:q4_0"), all).failure().message(), HasSubstr("no such file"));
  EXPECT_THAT(files_of(named("a/b"), {"README.md"}).failure().message(), HasSubstr("holds no model"));
}

TEST(HubName, OfGgufFilesOneIsChosenByNameTypeOrBecauseItIsAlone) {
  const std::vector<std::string> all{"m-Q4_0.gguf",     "m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf",
                                     "mmproj-F16.gguf", "mmproj-m-BF16.gguf",         "config.json"};
  EXPECT_THAT(files_of(named("a/b:q4_0"), all).value(), ElementsAre("m-Q4_0.gguf"));
  const auto parts = ElementsAre("m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf");
  EXPECT_THAT(files_of(named("a/b:Q8_0"), all).value(), parts);
  EXPECT_THAT(files_of(named("a/b:m-Q8_0.gguf"), all).value(), parts);
  EXPECT_THAT(files_of(named("a/b:m-Q8_0-00002-of-00002.gguf"), all).value(), parts);
  EXPECT_THAT(files_of(named("a/b"), all).failure().message(), HasSubstr("m-Q4_0.gguf, m-Q8_0.gguf"));
  EXPECT_FALSE(files_of(named("a/b:4_0"), all)) << "a part of a type is none";
  EXPECT_THAT(files_of(named("a/b"), {"only.gguf", "mmproj-F16.gguf"}).value(), ElementsAre("only.gguf"));
  EXPECT_EQ(encoders_of(all), "mmproj-m-BF16.gguf");
  EXPECT_EQ(encoders_of({"m.gguf"}), "");
  EXPECT_FALSE(is_folder(files_of(named("a/b:q4_0"), all).value()));
}

}  // namespace
}  // namespace gemma::hub
