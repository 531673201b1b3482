// SPDX-License-Identifier: Apache-2.0
// Small tokenizers for tests and fuzz targets, in each of the three forms a file has them: 4 control pieces, the 256
// byte pieces, then whatever a test wants.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "file/model_file.h"

namespace gemma {

struct TinyTokenizer {
  static constexpr int kFirst = 4 + 256;  // id of pieces[0]

  struct Added {
    std::string content;
    bool special = false, normalized = false;
  };
  std::vector<std::string> pieces;                          // ids from kFirst on
  std::vector<std::pair<std::string, std::string>> merges;  // by rank
  std::vector<double> scores;                               // of `pieces`, for "llama"
  std::vector<Added> added;                                 // names of pieces, or new ones with the ids that follow

  std::vector<std::string> all() const {
    std::vector<std::string> out = {"<pad>", "<eos>", "<bos>", "<unk>"};
    for (int byte = 0; byte < 256; ++byte) out.push_back(fmt::format("<0x{:02X}>", byte));
    out.insert(out.end(), pieces.begin(), pieces.end());
    return out;
  }

  /** The text of a tokenizer.json as a value, to be bent out of shape by tests of faults. */
  json::object to_json() const {
    const std::vector<std::string> names = all();
    json::object vocab;
    json::array list, joins;
    for (size_t id = 0; id < names.size(); ++id) vocab[names[id]] = static_cast<int64_t>(id);
    const auto add = [&](const Added& token, int64_t id) {
      list.push_back({{"id", id},
                      {"content", token.content},
                      {"special", token.special},
                      {"single_word", false},
                      {"lstrip", false},
                      {"rstrip", false},
                      {"normalized", token.normalized}});
    };
    for (int64_t id = 0; id < 4; ++id) add({names[static_cast<size_t>(id)], true, false}, id);
    auto next = static_cast<int64_t>(names.size());
    for (const Added& token : added) {
      add(token, vocab.contains(token.content) ? vocab[token.content].as_int64() : next++);
    }
    for (const auto& [left, right] : merges) joins.push_back(json::array{json::string(left), json::string(right)});
    return {{"added_tokens", list},
            {"normalizer", {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}},
            {"model", {{"type", "BPE"}, {"byte_fallback", true}, {"vocab", vocab}, {"merges", joins}}}};
  }

  /** The keys of a GGUF with the tokenizer `model`, "llama" or "gemma4". */
  Metadata to_metadata(const std::string& model) const {
    std::vector<std::string> names = all();
    std::vector<int64_t> types(names.size(), 1);
    for (size_t id = 0; id < 4; ++id) types[id] = 3;
    for (size_t id = 4; id < kFirst; ++id) types[id] = 6;
    for (const Added& token : added) {
      size_t id = 0;
      while (id < names.size() && names[id] != token.content) ++id;
      if (id == names.size()) names.push_back(token.content), types.push_back(1);
      types[id] = token.special ? 3 : 4;
    }
    std::vector<double> all_scores(names.size(), -1000.0);
    for (size_t i = 0; i < scores.size(); ++i) all_scores[kFirst + i] = scores[i];
    std::vector<std::string> joins;
    for (const auto& [left, right] : merges) joins.push_back(left + " " + right);
    Metadata keys;
    keys.set("tokenizer.ggml.model", model);
    keys.set("tokenizer.ggml.tokens", names);
    keys.set("tokenizer.ggml.token_type", types);
    keys.set("tokenizer.ggml.scores", all_scores);
    if (model == "gemma4") keys.set("tokenizer.ggml.merges", joins);
    return keys;
  }
};

/** A few letters, words and controls: enough to see every rule at work. */
inline TinyTokenizer small_tokenizer() {
  TinyTokenizer tiny;
  for (const char* piece : {"h",      "e",       "l",       "o",         "w",   "r",           "d",
                            "\u2581", "\n",      "a",       "b",         "é",   "<",           ">",
                            "|",      "t",       "u",       "n",         "he",  "ll",          "hell",
                            "hello",  "\u2581w", "or",      "\u2581wor", "ld",  "\u2581world", "\u2581\u2581",
                            "\n\n",   "aa",      "ab",      "tu",        "tur", "turn",        "<|",
                            "<|turn", "|>",      "<|turn>", "<unused0>"}) {
    tiny.pieces.push_back(piece);
    tiny.scores.push_back(-static_cast<double>(tiny.pieces.size()));
  }
  tiny.merges = {{"h", "e"},   {"l", "l"},        {"he", "ll"},   {"hell", "o"},       {"\u2581", "w"},
                 {"o", "r"},   {"\u2581w", "or"}, {"l", "d"},     {"\u2581wor", "ld"}, {"\u2581", "\u2581"},
                 {"\n", "\n"}, {"a", "a"},        {"a", "b"},     {"t", "u"},          {"tu", "r"},
                 {"tur", "n"}, {"<", "|"},        {"<|", "turn"}, {"|", ">"},          {"<|turn", ">"}};
  tiny.added = {{"<|turn>", true, false}, {"\n\n", false, false}, {"<unused0>", false, false}};
  return tiny;
}

}  // namespace gemma
