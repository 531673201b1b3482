// SPDX-License-Identifier: Apache-2.0
// The Gemma 4 tokenizer for tests, made of Gemma 3's own file, which ./bootstrap fetches, as the goldens were.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "file/model_file.h"

namespace gemma {

/** Gemma 4's pieces and merges out of Gemma 3's: control pieces renamed, <unusedN> counted anew. */
struct Gemma4Pieces {
  std::vector<std::string> pieces;
  std::vector<std::string> merges;  // "left right"
  std::map<int32_t, std::string> controls;

  Gemma4Pieces(const std::string& gemma3, const json::object& specials) {
    const json::value parsed = parse_json_or_fail(gemma3, read_file(gemma3));
    const json::object& model = parsed.at("model").as_object();
    pieces.resize(model.at("vocab").as_object().size());
    for (const auto& [piece, id] : model.at("vocab").as_object()) pieces[static_cast<size_t>(id.as_int64())] = piece;
    for (const auto& [piece, id] : specials) controls[static_cast<int32_t>(id.as_int64())] = piece;
    for (size_t id = 0, unused = 0; id < pieces.size(); ++id) {
      const auto control = controls.find(static_cast<int32_t>(id));
      if (control != controls.end()) {
        pieces[id] = control->second;
      } else if (pieces[id].starts_with("<unused")) {
        pieces[id] = fmt::format("<unused{}>", unused++);
      }
    }
    for (const json::value& merge : model.at("merges").as_array()) {
      merges.push_back(
          fmt::format("{} {}", std::string_view(merge.at(0).as_string()), std::string_view(merge.at(1).as_string())));
    }
  }

  std::string to_json() const {
    json::array added;
    for (const auto& [id, piece] : controls) added.push_back({{"id", id}, {"content", piece}, {"special", true}});
    json::object vocab;
    for (size_t id = 0; id < pieces.size(); ++id) vocab[pieces[id]] = static_cast<int64_t>(id);
    json::array joins(merges.begin(), merges.end());
    const json::value replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
    return json::serialize(
        json::object{{"added_tokens", added},
                     {"normalizer", replace},
                     {"model", {{"type", "BPE"}, {"byte_fallback", true}, {"vocab", vocab}, {"merges", joins}}}});
  }

  Metadata to_metadata() const {
    const std::set<std::string> visible = {
        "<|channel>",       "<channel|>",       "<|tool_call>", "<tool_call|>",
        "<|tool_response>", "<tool_response|>", "<|\"|>"};  // converters make them user-defined
    std::vector<int64_t> types(pieces.size(), 1);
    for (size_t id = 0; id < pieces.size(); ++id) {
      if (pieces[id].size() == 6 && pieces[id].starts_with("<0x")) types[id] = 6;
    }
    for (const auto& [id, piece] : controls) types[static_cast<size_t>(id)] = visible.contains(piece) ? 4 : 3;
    Metadata keys;
    keys.set("tokenizer.ggml.model", std::string("gemma4"));
    keys.set("tokenizer.ggml.tokens", pieces);
    keys.set("tokenizer.ggml.token_type", types);
    keys.set("tokenizer.ggml.merges", merges);
    return keys;
  }
};

}  // namespace gemma
