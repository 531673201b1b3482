// SPDX-License-Identifier: Apache-2.0
// Tokenizers that are not right: one line that says what, where, expected and found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "text/tiny_tokenizer.h"
#include "text/tokenizer.h"

namespace gemma {
namespace {

using testing::HasSubstr;

std::string failure(const std::function<void()>& load) {
  try {
    load();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "(no failure)";
}

std::string json_failure(const std::string& text) {
  return failure([&] { Tokenizer::from_json("tokenizer.json", text); });
}

/** The failure of small_tokenizer() after `bend`. */
std::string bent(const std::function<void(json::object& root, json::object& model)>& bend) {
  json::object root = small_tokenizer().to_json();
  bend(root, root["model"].as_object());
  return json_failure(json::serialize(root));
}

std::string bent_keys(const std::string& model, const std::function<void(Metadata&)>& bend) {
  Metadata keys = small_tokenizer().to_metadata(model);
  bend(keys);
  return failure([&] { Tokenizer::from_metadata("model.gguf", keys); });
}

TEST(LoadJson, TheUnbentOneLoads) {
  EXPECT_EQ(bent([](json::object&, json::object&) {}), "(no failure)");
  EXPECT_EQ(bent_keys("llama", [](Metadata&) {}), "(no failure)");
  EXPECT_EQ(bent_keys("gemma4", [](Metadata&) {}), "(no failure)");
}

TEST(LoadJson, TextThatIsNoJson) {
  EXPECT_THAT(json_failure(""), HasSubstr("tokenizer.json: line 1, column 1: not valid JSON (incomplete"));
  EXPECT_THAT(json_failure("{\"model\":\n  x}"), HasSubstr("line 2, column 3"));
  EXPECT_THAT(json_failure(std::string(10000, '[')), HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(json_failure("{\"model\": " + std::string(10000, '[')), HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(json_failure("{} {}"), HasSubstr("found more"));
  EXPECT_THAT(json_failure("{\"a\": \"\xff\"}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(json_failure("{\"model\": {\"vocab\": {\"\\ud800\": 1}}}"), HasSubstr("not valid JSON"));
}

TEST(LoadJson, EveryCutOfTheTextIsRefused) {
  const std::string text = json::serialize(small_tokenizer().to_json());
  for (size_t size = 0; size < text.size(); size += 7) {
    ASSERT_THAT(json_failure(text.substr(0, size)), HasSubstr("not valid JSON")) << size;
  }
}

TEST(LoadJson, WrongTypes) {
  EXPECT_THAT(json_failure("[]"), HasSubstr("expected an object"));
  EXPECT_THAT(json_failure("{}"), HasSubstr("model: expected an object, found null"));
  const auto with = [](std::string_view key, const json::value& value) {
    return bent([&](json::object&, json::object& model) { model[key] = value; });
  };
  EXPECT_THAT(with("vocab", json::array{}),
              HasSubstr("model.vocab: expected an object of pieces and ids, found an array"));
  EXPECT_THAT(with("vocab", nullptr), HasSubstr("model.vocab: expected an object of pieces and ids, found null"));
  EXPECT_THAT(with("vocab", json::object{}), HasSubstr("model.vocab: expected pieces"));
  EXPECT_THAT(with("vocab", "x"), HasSubstr("found a string"));
  EXPECT_THAT(with("merges", json::object{}), HasSubstr("model.merges: expected a list, found an object"));
  EXPECT_THAT(with("merges", 3), HasSubstr("model.merges: expected a list, found a number"));
  EXPECT_THAT(with("merges", json::array{1}), HasSubstr("model.merges[0]: expected two pieces, found a number"));
  EXPECT_THAT(with("merges", json::array{json::array{"h"}}), HasSubstr("model.merges[0]: expected two pieces"));
  EXPECT_THAT(with("merges", json::array{json::array{"h", "e", "l"}}), HasSubstr("a list of 3"));
  EXPECT_THAT(with("merges", json::array{json::array{"h", json::array{}}}), HasSubstr("found an array"));
  EXPECT_THAT(with("merges", json::array{"h e l"}), HasSubstr("model.merges[0]: expected two pieces, found \"h e l\""));
  EXPECT_THAT(with("merges", json::array{"he"}), HasSubstr("expected two pieces"));
  EXPECT_THAT(with("byte_fallback", 1), HasSubstr("model.byte_fallback: expected a boolean, found"));
  EXPECT_THAT(with("type", 1), HasSubstr("model.type: expected a string"));
  EXPECT_THAT(bent([](json::object&, json::object& model) { model["vocab"].as_object()["h"] = "1"; }),
              HasSubstr("model.vocab: expected an id for each piece, found a string for \"h\""));
  EXPECT_THAT(bent([](json::object&, json::object& model) { model["vocab"].as_object()["h"] = 1.5; }),
              HasSubstr("found a number that is no integer for \"h\""));
  EXPECT_THAT(bent([](json::object& root, json::object&) { root["added_tokens"] = 1; }), HasSubstr("added_tokens"));
  EXPECT_THAT(
      bent([](json::object& root, json::object&) { root["added_tokens"].as_array()[1].as_object()["id"] = "x"; }),
      HasSubstr("added_tokens[1].id: expected an integer, found string"));
}

TEST(LoadJson, MergesInTheOlderSpelling) {
  json::object root = small_tokenizer().to_json();
  root["model"].as_object()["merges"] = json::array{"h e", "l l", "he ll"};
  const auto tokenizer = Tokenizer::from_json("tokenizer.json", json::serialize(root));
  EXPECT_EQ(tokenizer->piece(tokenizer->encode("hell")[0]), "hell");
}

TEST(LoadJson, AnyOrderOfKeys) {
  const json::object root = small_tokenizer().to_json();
  const json::object& model = root.at("model").as_object();
  const std::string text =
      fmt::format(R"({{"model": {{"merges": {}, "other": {{"vocab": [1], "merges": 2}}, "vocab": {},
      "byte_fallback": true}}, "vocab": 5, "added_tokens": {}}})",
                  json::serialize(model.at("merges")), json::serialize(model.at("vocab")),
                  json::serialize(root.at("added_tokens")));
  EXPECT_EQ(json_failure(text), "(no failure)");
}

TEST(LoadJson, HolesAndDuplicates) {
  const auto with_id = [](std::string_view piece, int64_t id) {
    return bent([&](json::object&, json::object& model) { model["vocab"].as_object()[piece] = id; });
  };
  EXPECT_THAT(with_id("hello", 5), HasSubstr("id 5 is both \"<0x01>\" and \"hello\""));
  EXPECT_THAT(with_id("<unused0>", 302), HasSubstr("id 299 has no piece (ids must be 0 .. 302 without holes)"));
  EXPECT_THAT(with_id("hello", -1), HasSubstr("\"hello\" has id -1"));
  EXPECT_THAT(with_id("hello", int64_t{1} << 40), HasSubstr("without holes"));
  EXPECT_THAT(with_id("", 299), HasSubstr("the piece of id 299 is empty"));
  EXPECT_THAT(bent([](json::object&, json::object& model) { model["vocab"].as_object().erase("ld"); }),
              testing::AnyOf(HasSubstr("without holes"), HasSubstr("has no piece")));
  EXPECT_THAT(bent([](json::object& root, json::object&) {
                root["added_tokens"].as_array()[1].as_object()["content"] = "<other>";
              }),
              HasSubstr("id 1 is both \"<eos>\" and the added token \"<other>\""));
  EXPECT_THAT(bent([](json::object& root, json::object&) {  // a name that has another id
                root["added_tokens"].as_array().push_back({{"id", 299}, {"content", "hello"}});
              }),
              HasSubstr("have the same piece \"hello\""));
  std::string text = json::serialize(small_tokenizer().to_json());
  text.replace(text.find("\"he\":"), 4, "\"h\"");  // "h" twice
  EXPECT_THAT(json_failure(text), HasSubstr("have the same piece \"h\""));
  text = json::serialize(small_tokenizer().to_json());
  text.replace(text.find("\"merges\""), 8, "\"vocab\"");
  EXPECT_THAT(json_failure(text), HasSubstr("model.vocab is there twice"));
}

TEST(LoadJson, MergesOfUnknownPieces) {
  const auto with = [](json::array merge) {
    return bent([&](json::object&, json::object& model) { model["merges"].as_array().push_back(merge); });
  };
  EXPECT_THAT(with({"h", "zz"}), HasSubstr("merge 20 needs \"zz\", which is no piece"));
  EXPECT_THAT(with({"zz", "h"}), HasSubstr("merge 20 needs \"zz\""));
  EXPECT_THAT(with({"h", "l"}), HasSubstr("merge 20 needs \"hl\""));
  EXPECT_THAT(with({"h", "e"}), HasSubstr("merges 0 and 20 are the same"));
  EXPECT_THAT(with({"<0x41>", "<0x42>"}), HasSubstr("merge 20 needs \"<0x41><0x42>\""));
}

TEST(LoadJson, MissingBytes) {
  TinyTokenizer tiny = small_tokenizer();
  std::string text = json::serialize(tiny.to_json());
  text.replace(text.find("<0x7F>"), 6, "<0xZZ>");
  EXPECT_THAT(json_failure(text), HasSubstr("no piece '<0x7F>'"));
}

TEST(LoadJson, WhatGemmaDoesNotHaveIsRefusedByName) {
  const auto model_with = [](std::string_view key, const json::value& value) {
    return bent([&](json::object&, json::object& model) { model[key] = value; });
  };
  const auto root_with = [](std::string_view key, const json::value& value) {
    return bent([&](json::object& root, json::object&) { root[key] = value; });
  };
  EXPECT_THAT(model_with("type", "Unigram"), HasSubstr("model.type: expected \"BPE\" (Gemma's), found \"Unigram\""));
  EXPECT_THAT(model_with("byte_fallback", false), HasSubstr("model.byte_fallback"));
  EXPECT_THAT(model_with("ignore_merges", true), HasSubstr("model.ignore_merges is true"));
  EXPECT_THAT(model_with("dropout", 0.1), HasSubstr("model.dropout"));
  EXPECT_THAT(model_with("continuing_subword_prefix", "##"), HasSubstr("model.continuing_subword_prefix"));
  EXPECT_THAT(root_with("normalizer", {{"type", "NFKC"}}), HasSubstr("normalizer: expected the replacement"));
  EXPECT_THAT(root_with("pre_tokenizer", {{"type", "ByteLevel"}}), HasSubstr("found type \"ByteLevel\""));
  EXPECT_THAT(root_with("decoder", {{"type", "ByteLevel"}}), HasSubstr("decoder: expected"));
  EXPECT_THAT(
      bent([](json::object& root, json::object&) { root["added_tokens"].as_array()[0].as_object()["lstrip"] = true; }),
      HasSubstr("added_tokens[0].lstrip is true"));
}

TEST(LoadJson, WhatGemmaHasIsTaken) {
  const json::value replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
  const json::value back = {{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}};
  const json::value split = {{"type", "Split"}, {"pattern", {{"String", " "}}}, {"behavior", "MergedWithPrevious"}};
  const json::value bos = {{"SpecialToken", {{"id", "<bos>"}, {"type_id", 0}}}};
  json::object root = small_tokenizer().to_json();
  root["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array{replace}}};
  root["pre_tokenizer"] = split;
  root["decoder"] = {{"type", "Sequence"},
                     {"decoders", json::array{back, {{"type", "ByteFallback"}}, {{"type", "Fuse"}}}}};
  EXPECT_FALSE(Tokenizer::from_json("tokenizer.json", json::serialize(root))->add_bos());
  root["post_processor"] = {{"type", "TemplateProcessing"},
                            {"single", json::array{bos, {{"Sequence", {{"id", "A"}}}}}}};
  EXPECT_TRUE(Tokenizer::from_json("tokenizer.json", json::serialize(root))->add_bos());
}

TEST(LoadGguf, MissingKeysAndWrongTypes) {
  const auto without = [](const std::string& model, std::string_view key) {
    return bent_keys(model, [&](Metadata& keys) { keys.erase(key); });
  };
  EXPECT_THAT(without("llama", "tokenizer.ggml.model"), HasSubstr("model.gguf: no key 'tokenizer.ggml.model'"));
  EXPECT_THAT(without("llama", "tokenizer.ggml.tokens"), HasSubstr("no key 'tokenizer.ggml.tokens'"));
  EXPECT_THAT(without("llama", "tokenizer.ggml.scores"), HasSubstr("no key 'tokenizer.ggml.scores'"));
  EXPECT_THAT(without("gemma4", "tokenizer.ggml.merges"), HasSubstr("no key 'tokenizer.ggml.merges'"));
  EXPECT_EQ(without("gemma4", "tokenizer.ggml.scores"), "(no failure)");
  EXPECT_THAT(bent_keys("gpt2", [](Metadata&) {}),
              HasSubstr("expected 'llama' or 'gemma4' (Gemma's tokenizers), found \"gpt2\""));
  const auto with = [](const std::string& model, const char* key, MetaValue value) {
    return bent_keys(model, [&](Metadata& keys) { keys.set(key, std::move(value)); });
  };
  EXPECT_THAT(with("llama", "tokenizer.ggml.model", int64_t{3}), HasSubstr("tokenizer.ggml.model"));
  EXPECT_THAT(with("llama", "tokenizer.ggml.tokens", int64_t{3}), HasSubstr("tokenizer.ggml.tokens"));
  EXPECT_THAT(with("llama", "tokenizer.ggml.scores", std::string("x")), HasSubstr("tokenizer.ggml.scores"));
  EXPECT_THAT(with("gemma4", "tokenizer.ggml.merges", std::vector<int64_t>{1}), HasSubstr("tokenizer.ggml.merges"));
}

TEST(LoadGguf, CountsTypesScores) {
  const auto size = static_cast<int64_t>(small_tokenizer().all().size());
  const auto with_types = [&](int64_t count, int64_t last) {
    return bent_keys("llama", [&](Metadata& keys) {
      std::vector<int64_t> types = *keys.integers("tokenizer.ggml.token_type");
      types.resize(static_cast<size_t>(count), 1);
      types.back() = last;
      keys.set("tokenizer.ggml.token_type", types);
    });
  };
  EXPECT_THAT(with_types(size - 1, 1),
              HasSubstr("'tokenizer.ggml.token_type' has 298 entries, 'tokenizer.ggml.tokens' has 299"));
  EXPECT_THAT(with_types(size + 1, 1), HasSubstr("has 300 entries"));
  EXPECT_THAT(with_types(size, 0), HasSubstr("of id 298: expected 1 .. 6, found 0"));
  EXPECT_THAT(with_types(size, 6), HasSubstr("says that id 298 is a byte, but its piece is \"<unused0>\""));
  EXPECT_EQ(with_types(size, 5), "(no failure)");
  const auto with_scores = [&](int64_t count, double last) {
    return bent_keys("llama", [&](Metadata& keys) {
      std::vector<double> scores(static_cast<size_t>(count), 0.0);
      scores.back() = last;
      keys.set("tokenizer.ggml.scores", scores);
    });
  };
  EXPECT_THAT(with_scores(size - 1, 0), HasSubstr("'tokenizer.ggml.scores' has 298 entries"));
  EXPECT_THAT(with_scores(size, std::numeric_limits<double>::quiet_NaN()), HasSubstr("the score of id 298 is nan"));
  EXPECT_THAT(with_scores(size, 1e300), HasSubstr("the score of id 298"));
}

TEST(LoadGguf, PiecesAndMerges) {
  const auto with_piece = [](size_t id, const std::string& piece) {
    return bent_keys("gemma4", [&](Metadata& keys) {
      std::vector<std::string> pieces = *keys.strings("tokenizer.ggml.tokens");
      pieces[id] = piece;
      keys.set("tokenizer.ggml.tokens", pieces);
    });
  };
  EXPECT_THAT(with_piece(298, ""), HasSubstr("id 298 has no piece"));
  EXPECT_THAT(with_piece(298, "hello"), HasSubstr("have the same piece \"hello\""));
  EXPECT_THAT(with_piece(298, "\xc3"), HasSubstr("the piece of id 298 is not UTF-8"));
  EXPECT_THAT(with_piece(4 + 255, "x"), HasSubstr("no piece '<0xFF>'"));
  const auto with_merge = [](const std::string& merge) {
    return bent_keys("gemma4", [&](Metadata& keys) {
      std::vector<std::string> merges = *keys.strings("tokenizer.ggml.merges");
      merges.push_back(merge);
      keys.set("tokenizer.ggml.merges", merges);
    });
  };
  EXPECT_THAT(with_merge("h"),
              HasSubstr("'tokenizer.ggml.merges'[20]: expected two pieces with a blank between, found \"h\""));
  EXPECT_THAT(with_merge("h "), HasSubstr("expected two pieces"));
  EXPECT_THAT(with_merge(""), HasSubstr("expected two pieces"));
  EXPECT_THAT(with_merge("h zz"), HasSubstr("merge 20 needs \"zz\""));
}

TEST(LoadGguf, KindsFollowTheFileButNobodyTypesAControl) {
  TinyTokenizer tiny = small_tokenizer();
  for (TinyTokenizer::Added& token : tiny.added) {
    if (token.content == "<|turn>") token.special = false;  // what converters call user-defined
    if (token.content == "<unused0>") token.special = true;
  }
  tiny.pieces.push_back("<start_of_image>");
  tiny.added.push_back({"<start_of_image>", false, false});
  for (const char* model : {"llama", "gemma4"}) {
    const auto tokenizer = Tokenizer::from_metadata("model.gguf", tiny.to_metadata(model));
    EXPECT_EQ(tokenizer->kind(2), PieceKind::control);
    EXPECT_EQ(tokenizer->kind(*tokenizer->find("<|turn>")), PieceKind::control);
    EXPECT_EQ(tokenizer->kind(*tokenizer->find("<start_of_image>")), PieceKind::control);
    EXPECT_EQ(tokenizer->kind(*tokenizer->find("\n\n")), PieceKind::user_defined);
    const int32_t unused = *tokenizer->find("<unused0>");
    EXPECT_EQ(tokenizer->kind(unused), PieceKind::unused);
    EXPECT_EQ(tokenizer->bytes(unused), "");  // the file says control
    EXPECT_GT(tokenizer->encode("<unused0>").size(), 1u);
    EXPECT_EQ(tokenizer->encode("<unused0>", Specials::control), std::vector{unused});
    EXPECT_TRUE(tokenizer->add_bos());
  }
}

TEST(LoadGguf, AddBos) {
  const auto add_bos = [](const std::string& model, bool value) {
    Metadata keys = small_tokenizer().to_metadata(model);
    keys.set("tokenizer.ggml.add_bos_token", value);
    return Tokenizer::from_metadata("model.gguf", keys)->add_bos();
  };
  EXPECT_FALSE(add_bos("llama", false));
  EXPECT_TRUE(add_bos("llama", true));
  EXPECT_TRUE(add_bos("gemma4", false));  // early files say false and mean it not
}

}  // namespace
}  // namespace gemma
