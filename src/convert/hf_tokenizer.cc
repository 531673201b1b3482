// SPDX-License-Identifier: Apache-2.0
// tokenizer.* keys -> tokenizer.json and tokenizer_config.json. The text is written as it is made: with a quarter of a
// million pieces and half a million merges a JSON value of the whole would be hundreds of megabytes.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/utf8.h"
#include "convert/hf_files.h"
#include "text/vocabulary.h"

namespace gemma {
namespace {

enum Type : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

std::string quoted(std::string_view text) { return json::serialize(json::string(text)); }

/** Names in the style of control tokens; converters mark some of them as user-defined so that they are printed. */
bool is_special(std::string_view piece, int64_t type) {
  if (type == kUnknown || piece == "<start_of_image>" || piece == "<end_of_image>") return true;
  const bool tag = piece.size() > 3 && piece.front() == '<' && piece.back() == '>';
  const bool bars = tag && (piece[1] == '|' || piece[piece.size() - 2] == '|');
  return type == kControl ? !piece.starts_with("<unused") && piece != "<mask>" : bars;
}

class TokenizerWriter {
 public:
  TokenizerWriter(const ModelFile& source, const Config& config, const WriteText& write)
      : where_(source.name()), keys_(source.metadata()), config_(config), write_(write) {
    const auto* pieces = keys_.strings("tokenizer.ggml.tokens");
    if (pieces == nullptr) fail(where_, "key tokenizer.ggml.tokens is missing");
    pieces_ = *pieces;
    types_ = keys_.integers("tokenizer.ggml.token_type").value_or(std::vector<int64_t>(pieces_.size(), kNormal));
    if (types_.size() != pieces_.size()) {
      fail(where_, "key tokenizer.ggml.token_type: expected {} entries, as there are pieces, found {}", pieces_.size(),
           types_.size());
    }
    for (size_t id = 0; id < pieces_.size(); ++id) {
      if (!utf8::valid(pieces_[id])) fail(where_, "tokenizer.ggml.tokens[{}]: not valid UTF-8", id);
      // User-defined pieces are stored as the text they stand for; a vocabulary spells blanks with the mark.
      if (types_[id] == kUserDefined) pieces_[id] = with_marks(pieces_[id]);
    }
  }

  void write() {
    write_("{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [");
    write_added();
    write_("\n  ],\n  \"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": " +
           quoted(kBlank) + "},\n  \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"String\": \" \"}, " +
           "\"behavior\": \"MergedWithPrevious\", \"invert\": false},\n  \"post_processor\": ");
    write_(post_processor());
    write_(
        ",\n  \"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": " +
        quoted(kBlank) + "}, \"content\": \" \"}, {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}]},\n");
    write_("  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": \"<unk>\",\n");
    write_("    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n    \"fuse_unk\": true,\n");
    write_("    \"byte_fallback\": true,\n    \"ignore_merges\": false,\n    \"vocab\": {");
    for (size_t id = 0; id < pieces_.size(); ++id) {
      write_(fmt::format("{}\n      {}: {}", id == 0 ? "" : ",", quoted(pieces_[id]), id));
    }
    write_("\n    },\n    \"merges\": [");
    write_merges();
    write_("\n    ]\n  }\n}\n");
  }

  std::string piece(int32_t id) const {
    return id >= 0 && static_cast<size_t>(id) < pieces_.size() ? pieces_[static_cast<size_t>(id)] : "";
  }

 private:
  static std::string with_marks(std::string_view text) {
    std::string out;
    for (const char c : text) c == ' ' ? out.append(kBlank) : out.append(1, c);
    return out;
  }

  void write_added() {
    bool first = true;
    for (size_t id = 0; id < pieces_.size(); ++id) {
      if (types_[id] != kControl && types_[id] != kUserDefined && types_[id] != kUnknown) continue;
      write_(
          fmt::format("{}\n    {{\"id\": {}, \"content\": {}, \"single_word\": false, \"lstrip\": false, "
                      "\"rstrip\": false, \"normalized\": false, \"special\": {}}}",
                      first ? "" : ",", id, quoted(pieces_[id]), is_special(pieces_[id], types_[id])));
      first = false;
    }
  }

  std::string post_processor() const {
    const std::string bos = piece(config_.special.bos);
    if (bos.empty() || !keys_.boolean("tokenizer.ggml.add_bos_token").value_or(true)) return "null";
    const auto special = [&](int type) {
      return json::object{{"SpecialToken", json::object{{"id", bos}, {"type_id", type}}}};
    };
    const auto sequence = [](const char* name, int type) {
      return json::object{{"Sequence", json::object{{"id", name}, {"type_id", type}}}};
    };
    json::object out;
    out["type"] = "TemplateProcessing";
    out["single"] = json::array{special(0), sequence("A", 0)};
    out["pair"] = json::array{special(0), sequence("A", 0), special(1), sequence("B", 1)};
    out["special_tokens"] = json::object{
        {bos, json::object{{"id", bos}, {"ids", json::array{config_.special.bos}}, {"tokens", json::array{bos}}}}};
    return json::serialize(out);
  }

  void write_merges() {
    const auto model = keys_.string("tokenizer.ggml.model").value_or("");
    if (model == "llama") return write_merges_from_scores();
    const auto* merges = keys_.strings("tokenizer.ggml.merges");
    if (merges == nullptr) fail(where_, "key tokenizer.ggml.merges is missing (tokenizer '{}')", model);
    bool first = true;
    for (const std::string& merge : *merges) {
      const size_t blank = merge.find(' ', 1);
      if (blank == std::string::npos) fail(where_, "tokenizer.ggml.merges: expected two pieces, found '{}'", merge);
      put_merge(std::string_view(merge).substr(0, blank), std::string_view(merge).substr(blank + 1), first);
    }
  }

  void put_merge(std::string_view left, std::string_view right, bool& first) {
    write_(fmt::format("{}\n      [{}, {}]", first ? "" : ",", quoted(left), quoted(right)));
    first = false;
  }

  /** Every way to make a piece of two others. First the runs of blanks, newlines and tabs, by the length of the left
   *  part, the longest first; then ordinary pieces, the best score first and for one piece the longest left part first.
   *  This is the order in which the original tokenizer.json lists them. Other user-defined pieces have no merges. */
  void write_merges_from_scores() {
    const auto scores = keys_.numbers("tokenizer.ggml.scores");
    if (!scores || scores->size() != pieces_.size()) {
      fail(where_, "key tokenizer.ggml.scores: expected one score a piece");
    }
    std::unordered_map<std::string_view, size_t> ordinary;
    std::vector<size_t> order;
    for (size_t id = 0; id < pieces_.size(); ++id) {
      if (types_[id] != kNormal) continue;
      ordinary.emplace(pieces_[id], id);
      order.push_back(id);
    }
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return (*scores)[a] > (*scores)[b]; });
    bool first = true;
    write_runs(first);
    for (const size_t id : order) {
      const std::string_view piece = pieces_[id];
      for (size_t cut = piece.size() - 1; cut > 0; --cut) {
        if (ordinary.contains(piece.substr(0, cut)) && ordinary.contains(piece.substr(cut))) {
          put_merge(piece.substr(0, cut), piece.substr(cut), first);
        }
      }
    }
  }

  void write_runs(bool& first) {
    struct Run {
      std::string_view letter;
      size_t length;
    };
    std::unordered_set<std::string_view> known(pieces_.begin(), pieces_.end());
    std::vector<Run> runs;
    for (size_t id = 0; id < pieces_.size(); ++id) {
      for (const std::string_view letter : {std::string_view("\n"), kBlank, std::string_view("\t")}) {
        const size_t n = pieces_[id].size() / letter.size();
        if (types_[id] == kUserDefined && n > 1 && pieces_[id] == repeated(letter, n)) runs.push_back({letter, n});
      }
    }
    size_t longest = 0;
    for (const Run& run : runs) longest = std::max(longest, run.length);
    for (size_t left = longest; left > 0; --left) {
      for (size_t right = longest; right > 0; --right) {
        for (const Run& run : runs) {
          const std::string a = repeated(run.letter, left), b = repeated(run.letter, right);
          if (left + right == run.length && known.contains(a) && known.contains(b)) put_merge(a, b, first);
        }
      }
    }
  }

  static std::string repeated(std::string_view letter, size_t n) {
    std::string out;
    for (size_t i = 0; i < n; ++i) out += letter;
    return out;
  }

  std::string where_;
  const Metadata& keys_;
  const Config& config_;
  const WriteText& write_;
  std::vector<std::string> pieces_;
  std::vector<int64_t> types_;
};

json::object tokenizer_config(const ModelFile& source, const Config& config, const TokenizerWriter& pieces) {
  const Metadata& keys = source.metadata();
  json::object out;
  out["tokenizer_class"] = "GemmaTokenizer";
  out["add_bos_token"] = keys.boolean("tokenizer.ggml.add_bos_token").value_or(true);
  out["add_eos_token"] = false;
  out["clean_up_tokenization_spaces"] = false;
  const auto name = [&](std::string_view key, int64_t otherwise) {
    return pieces.piece(static_cast<int32_t>(keys.integer(key).value_or(otherwise)));
  };
  out["bos_token"] = pieces.piece(config.special.bos);
  out["eos_token"] = name("tokenizer.ggml.eos_token_id", 1);
  out["pad_token"] = pieces.piece(config.special.pad);
  out["unk_token"] = name("tokenizer.ggml.unknown_token_id", 3);
  const SpecialTokens& special = config.special;
  for (const auto& [key, id] : {std::pair{"boi_token", special.image_begin},
                                {"eoi_token", special.image_end},
                                {"image_token", special.image},
                                {"boa_token", special.audio_begin},
                                {"eoa_token", special.audio_end},
                                {"audio_token", special.audio}}) {
    if (id >= 0) out[key] = pieces.piece(id);
  }
  out["padding_side"] = "left";
  out["model_max_length"] = config.context;
  if (const auto text = keys.string("tokenizer.chat_template")) out["chat_template"] = *text;
  return out;
}

}  // namespace

bool write_hf_tokenizer(const ModelFile& source, const Config& config, const WriteText& tokenizer,
                        const WriteText& tokenizer_config_text) {
  const std::string model = source.metadata().string("tokenizer.ggml.model").value_or("none");
  if (model == "none") return false;
  if (model != "llama" && model != "gemma4") {
    fail(source.name(), "key tokenizer.ggml.model: expected 'llama' or 'gemma4' (Gemma's tokenizers), found '{}'",
         model);
  }
  TokenizerWriter writer(source, config, tokenizer);
  writer.write();
  tokenizer_config_text(write_json(tokenizer_config(source, config, writer), 2) + "\n");
  return true;
}

}  // namespace gemma
