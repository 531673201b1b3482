// SPDX-License-Identifier: Apache-2.0
// tokenizer.json -> GGUF keys -> tokenizer.json, with a tokenizer small enough to be seen whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "convert/convert.h"
#include "file/testing/files.h"
#include "text/tokenizer.h"

namespace gemma {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TempFolder;

struct SmallTokenizer {
  std::vector<std::string> pieces;
  std::vector<std::pair<std::string, std::string>> merges;
  std::vector<std::pair<std::string, bool>> added;  // content, special

  explicit SmallTokenizer(int generation) {
    pieces = {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>"};
    for (int b = 0; b < 256; ++b) pieces.push_back(fmt::format("<0x{:02X}>", b));
    for (const char* p : {"\n\n", "▁▁", "<unused0>"}) pieces.push_back(p);
    if (generation == 4) {
      for (const char* p : {"<|turn>", "<turn|>", "<|channel>"}) pieces.push_back(p);
    } else {
      for (const char* p : {"<start_of_turn>", "<end_of_turn>", "<start_of_image>"}) pieces.push_back(p);
    }
    if (generation == 3) merges = {{"▁", "▁"}};
    const size_t runs = merges.size();
    for (const auto& merge : std::vector<std::pair<std::string, std::string>>{
             {"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {"▁", "w"}, {"o", "r"}, {"▁w", "or"}, {"▁w", "o"}}) {
      merges.push_back(merge);
    }
    for (size_t i = runs; i < merges.size(); ++i) pieces.push_back(merges[i].first + merges[i].second);
    for (char c = 'a'; c <= 'z'; ++c) pieces.push_back(std::string(1, c));
    pieces.push_back("▁");
    for (const char* p : {"<pad>", "<eos>", "<bos>", "<unk>"}) added.emplace_back(p, true);
    if (generation == 4) {
      for (const char* p : {"<mask>", "<|turn>", "<turn|>", "<|channel>"}) added.emplace_back(p, true);
    } else {
      for (const char* p : {"<start_of_turn>", "<end_of_turn>", "<start_of_image>"}) added.emplace_back(p, true);
      for (const char* p : {"<mask>", "\n\n", "▁▁", "<unused0>"}) added.emplace_back(p, false);
    }
  }

  int64_t id(std::string_view piece) const { return std::find(pieces.begin(), pieces.end(), piece) - pieces.begin(); }

  std::string json_text() const {
    json::object vocab;
    for (size_t i = 0; i < pieces.size(); ++i) vocab[pieces[i]] = static_cast<int64_t>(i);
    json::array merge_list, added_list;
    for (const auto& [left, right] : merges) merge_list.push_back(json::array{left, right});
    for (const auto& [content, special] : added) {
      added_list.push_back(json::object{{"id", id(content)}, {"content", content}, {"special", special}});
    }
    json::object root = parse_json_or_fail("test", R"({"normalizer": {"type": "Replace", "pattern": {"String": " "},
      "content": "▁"}, "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<bos>",
      "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]}})")
                            .as_object();
    root["added_tokens"] = std::move(added_list);
    root["model"] = json::object{{"type", "BPE"},
                                 {"byte_fallback", true},
                                 {"unk_token", "<unk>"},
                                 {"vocab", std::move(vocab)},
                                 {"merges", std::move(merge_list)}};
    return json::serialize(root);
  }
};

/** A golden's weights with a tokenizer beside them. */
std::string folder_with(const TempFolder& temp, int generation, const std::string& tokenizer) {
  const std::string from = std::string(GEMMA4_GOLDEN) + (generation == 4 ? "/unified_text" : "/gemma3_text");
  const std::string path = temp / "source";
  std::filesystem::copy(from, path);
  std::ofstream(path + "/tokenizer.json") << tokenizer;
  std::ofstream(path + "/chat_template.jinja") << "{{ messages }}";
  return path;
}

struct Made {
  ModelFile source, gguf, back;
};

Made convert_all(const TempFolder& temp, int generation, const std::string& tokenizer) {
  const std::string folder = folder_with(temp, generation, tokenizer);
  const StreamOptions options{.threads = 1, .progress = {}, .cancelled = {}};
  ModelFile source = ModelFile::open(folder);
  Conversion::to_gguf(source, FileType::bf16).run(temp / "m.gguf", options);
  ModelFile gguf = ModelFile::open(temp / "m.gguf");
  Conversion::to_folder(gguf, std::nullopt).run(temp / "hf", options);
  return {std::move(source), std::move(gguf), ModelFile::open(temp / "hf")};
}

class TokenizerOf : public ::testing::TestWithParam<int> {};

TEST_P(TokenizerOf, EncodesAlikeInAllThreeFiles) {
  const TempFolder temp;
  const Made made = convert_all(temp, GetParam(), SmallTokenizer(GetParam()).json_text());
  const auto a = Tokenizer::from(made.source), b = Tokenizer::from(made.gguf), c = Tokenizer::from(made.back);
  for (const char* text :
       {"hello world", "hell  o\n\nwe", "wor<|turn>x<start_of_turn>\n\n\n", "é <mask> <unused0> worw", ""}) {
    const std::vector<int32_t> expected = a->encode(text, Specials::control);
    EXPECT_EQ(b->encode(text, Specials::control), expected) << text;
    EXPECT_EQ(c->encode(text, Specials::control), expected) << text;
    EXPECT_EQ(b->decode(expected), a->decode(expected)) << text;
  }
  EXPECT_EQ(b->piece(4), "<mask>");
  EXPECT_EQ(b->size(), 512);  // as many as the model has rows
  EXPECT_EQ(b->piece(511), "[PAD511]");
  EXPECT_TRUE(b->add_bos());
  EXPECT_TRUE(c->add_bos());
}

INSTANTIATE_TEST_SUITE_P(Generations, TokenizerOf, ::testing::Values(3, 4));

TEST(TokenizerKeys, Gemma4) {
  const TempFolder temp;
  const SmallTokenizer small(4);
  const Made made = convert_all(temp, 4, small.json_text());
  const Metadata& keys = made.gguf.metadata();
  EXPECT_EQ(keys.string("tokenizer.ggml.model"), "gemma4");
  EXPECT_EQ(keys.strings("tokenizer.ggml.merges")->at(3), "hell o");
  const std::vector<int64_t> types = *keys.integers("tokenizer.ggml.token_type");
  const auto type = [&](std::string_view piece) { return types[static_cast<size_t>(small.id(piece))]; };
  EXPECT_EQ(type("<|turn>"), 3);
  EXPECT_EQ(type("<|channel>"), 4) << "to be printed";
  EXPECT_EQ(type("<0x0A>"), 6);
  EXPECT_EQ(type("hello"), 1);
  EXPECT_EQ(types.back(), 5);
  EXPECT_EQ(keys.integer("tokenizer.ggml.bos_token_id"), 2);
  EXPECT_EQ(keys.integer("tokenizer.ggml.unknown_token_id"), 3);
  EXPECT_THAT(*keys.integers("tokenizer.ggml.suppress_tokens"), ElementsAre(505, 501));
  EXPECT_EQ(keys.string("tokenizer.chat_template"), "{{ messages }}");
  EXPECT_EQ(made.back.side_json("tokenizer_config.json")->at("chat_template").as_string(), "{{ messages }}");
}

TEST(TokenizerKeys, Gemma3GetsScoresInTheOrderOfItsMerges) {
  const TempFolder temp;
  const SmallTokenizer small(3);
  const Made made = convert_all(temp, 3, small.json_text());
  const Metadata& keys = made.gguf.metadata();
  EXPECT_EQ(keys.string("tokenizer.ggml.model"), "llama");
  const std::vector<double> scores = *keys.numbers("tokenizer.ggml.scores");
  const auto score = [&](std::string_view piece) { return scores[static_cast<size_t>(small.id(piece))]; };
  EXPECT_EQ(score("he"), 0);
  EXPECT_EQ(score("hello"), -3);
  EXPECT_EQ(score("▁wo"), -7);
  EXPECT_LT(score("a"), -7) << "no merge gives it";
  EXPECT_EQ(score("<bos>"), -1000);
  EXPECT_EQ(keys.strings("tokenizer.ggml.tokens")->at(static_cast<size_t>(small.id("▁▁"))), "  ");
  const std::vector<int64_t> types = *keys.integers("tokenizer.ggml.token_type");
  EXPECT_EQ(types[static_cast<size_t>(small.id("▁▁"))], 4);
  EXPECT_EQ(types[static_cast<size_t>(small.id("<unused0>"))], 3);
}

TEST(TokenizerKeys, RefusesMergesThatScoresCannotSay) {
  const TempFolder temp;
  SmallTokenizer small(3);
  small.merges.emplace_back("h", "ello");  // gives "hello" again, but after others
  small.merges.emplace_back("e", "llo");
  small.pieces.push_back("ello");
  small.pieces.push_back("llo");
  const std::string folder = folder_with(temp, 3, small.json_text());
  const ModelFile source = ModelFile::open(folder);
  EXPECT_THAT(error_of([&] { Conversion::to_gguf(source, FileType::bf16); }),
              HasSubstr("'hello' are not side by side"));
}

TEST(TokenizerKeys, PiecesTheModelHasNoRowForAreDropped) {
  const TempFolder temp;
  SmallTokenizer small(4);
  while (small.pieces.size() < 520) small.pieces.push_back(fmt::format("<unused{}>", small.pieces.size()));
  small.pieces.push_back("zz");
  small.merges.emplace_back("z", "z");  // gives id 520, beyond the 512 rows
  const Made made = convert_all(temp, 4, small.json_text());
  EXPECT_EQ(made.gguf.metadata().strings("tokenizer.ggml.tokens")->size(), 512u);
  EXPECT_EQ(made.gguf.metadata().strings("tokenizer.ggml.merges")->back(), "▁w o");
  EXPECT_EQ(Tokenizer::from(made.gguf)->encode("hello").size(), 1u);
}

}  // namespace
}  // namespace gemma
