// SPDX-License-Identifier: Apache-2.0
// tokenizer.json -> tokenizer.* keys. Gemma 4 keeps its merges (tokenizer "gemma4"); Gemma 3 becomes what its own GGUF
// files have (tokenizer "llama"): a score per piece, by which the merge that gives it comes earlier or later.
#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "convert/gguf_keys.h"
#include "text/tokenizer_json.h"

namespace gemma {
namespace {

enum Type : int64_t { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

constexpr double kNoScore = -1000.0;

struct Pieces {
  std::vector<std::string> texts;
  std::vector<int64_t> types;
};

bool is_byte(std::string_view piece) { return piece.size() == 6 && piece.starts_with("<0x") && piece.back() == '>'; }

std::string with_blanks(std::string_view piece) {
  std::string out(piece);
  for (size_t at = 0; (at = out.find(kBlank, at)) != std::string::npos; ++at) out.replace(at, kBlank.size(), " ");
  return out;
}

class TokenizerKeys {
 public:
  TokenizerKeys(const ModelFile& source, const Config& config, std::string_view text)
      : where_(source.name()), config_(config), file_(read_tokenizer_json(where_ + ": tokenizer.json", text)) {
    const size_t rows = static_cast<size_t>(config.vocab);
    pieces_.texts.resize(rows);
    pieces_.types.assign(rows, kUnused);
    for (const TokenizerJson::Piece& piece : file_.pieces) {
      place(piece.id, std::string_view(file_.letters).substr(piece.span.offset, piece.span.length));
    }
    read_added();
    for (size_t id = 0; id < rows; ++id) {
      if (pieces_.texts[id].empty()) pieces_.texts[id] = fmt::format("[PAD{}]", id);
    }
  }

  void write_gemma4(Metadata& keys) {
    for (size_t id = 0; id < pieces_.types.size(); ++id) {
      if (is_printed_token(pieces_.texts[id])) pieces_.types[id] = kUserDefined;
    }
    std::vector<std::string> merges;
    merges.reserve(file_.merges.entries.size());
    for_each_merge([&](std::string_view left, std::string_view right) {
      if ((std::string(left).append(right)).find(' ') != std::string::npos) {
        fail(where_, "tokenizer.json: a merge of pieces with blanks in them, which GGUF cannot hold");
      }
      merges.push_back(std::string(left).append(" ").append(right));
    });
    keys.set("tokenizer.ggml.model", std::string("gemma4"));
    write_pieces(keys, std::vector<double>(pieces_.types.size(), kNoScore));
    keys.set("tokenizer.ggml.merges", std::move(merges));
  }

  void write_gemma3(Metadata& keys) {
    for (size_t id = 0; id < pieces_.types.size(); ++id) {
      std::string& text = pieces_.texts[id];
      // Names like <unused12> and <mask> are not for users, whatever the file says of them.
      if (text.starts_with("<unused") || text == "<mask>") pieces_.types[id] = kControl;
    }
    std::vector<double> scores = scores_from_merges();
    for (size_t id = 0; id < pieces_.types.size(); ++id) {
      if (pieces_.types[id] == kUserDefined) pieces_.texts[id] = with_blanks(pieces_.texts[id]);
    }
    keys.set("tokenizer.ggml.model", std::string("llama"));
    keys.set("tokenizer.ggml.pre", std::string("default"));
    write_pieces(keys, std::move(scores));
  }

 private:
  void place(int64_t id, std::string_view text) {
    if (id < 0 || id >= config_.vocab) return;  // the model has no row for it
    pieces_.texts[static_cast<size_t>(id)] = text;
    pieces_.types[static_cast<size_t>(id)] = is_byte(text) ? kByte : kNormal;
  }

  void read_added() {
    const json::object* root = file_.rest.if_object();
    const json::value* added = root ? root->if_contains("added_tokens") : nullptr;
    if (added == nullptr || !added->is_array()) return;
    for (const json::value& token : added->get_array()) {
      const json::object* object = token.if_object();
      const json::value* id = object ? object->if_contains("id") : nullptr;
      const json::value* content = object ? object->if_contains("content") : nullptr;
      if (id == nullptr || content == nullptr || !id->is_int64() || !content->is_string()) {
        fail(where_, "tokenizer.json: added_tokens: expected entries with an id and a content");
      }
      if (id->get_int64() < 0 || id->get_int64() >= config_.vocab) continue;
      place(id->get_int64(), content->get_string());
      const json::value* special = object->if_contains("special");
      const bool control = special != nullptr && special->is_bool() && special->get_bool();
      pieces_.types[static_cast<size_t>(id->get_int64())] = control ? kControl : kUserDefined;
    }
  }

  /** Merges of pieces that the model has rows for. */
  template <class Use>
  void for_each_merge(Use use) const {
    const bool all = file_.pieces.size() <= pieces_.texts.size();
    std::set<std::string_view> known;
    if (!all) known.insert(pieces_.texts.begin(), pieces_.texts.end());
    const std::string_view letters = file_.merges.letters;
    for (const auto& [offset, left, right] : file_.merges.entries) {
      const auto has = [&](size_t at, size_t n) { return all || known.contains(letters.substr(at, n)); };
      if (!has(offset, left) || !has(offset + left, right) || !has(offset, left + right)) continue;
      use(letters.substr(offset, left), letters.substr(offset + left, right));
    }
  }

  /** 0, -1, ... for ordinary pieces in the order of the merges that give them, then for those that no merge gives. */
  std::vector<double> scores_from_merges() const {
    std::unordered_map<std::string_view, size_t> ids;
    for (size_t id = 0; id < pieces_.texts.size(); ++id) {
      if (pieces_.types[id] == kNormal) ids.emplace(pieces_.texts[id], id);
    }
    std::vector<double> scores(pieces_.texts.size(), kNoScore);
    std::vector<bool> done(pieces_.texts.size(), false);
    double next = 0;
    size_t last = scores.size();
    const std::string_view letters = file_.merges.letters;
    for (const auto& [offset, left, right] : file_.merges.entries) {
      const auto found = ids.find(letters.substr(offset, left + right));
      if (found == ids.end() || found->second == last) continue;
      last = found->second;
      if (done[last]) {
        fail(where_, "tokenizer.json: the merges that give '{}' are not side by side, so that no score stands for them",
             pieces_.texts[last]);
      }
      done[last] = true;
      scores[last] = next--;
    }
    for (size_t id = 0; id < scores.size(); ++id) {
      if (pieces_.types[id] == kByte) scores[id] = 0;
      if (pieces_.types[id] == kNormal && !done[id]) scores[id] = next--;
    }
    return scores;
  }

  void write_pieces(Metadata& keys, std::vector<double> scores) {
    keys.set("tokenizer.ggml.tokens", std::move(pieces_.texts));
    keys.set("tokenizer.ggml.scores", std::move(scores));
    keys.set("tokenizer.ggml.token_type", std::move(pieces_.types));
  }

  std::string where_;
  const Config& config_;
  TokenizerJson file_;
  Pieces pieces_;
};

/** The template of a folder: a text, or a list of named ones in tokenizer_config.json. */
void add_chat_templates(const ModelFile& source, Metadata& keys) {
  constexpr std::string_view kKey = "tokenizer.chat_template";
  if (auto text = source.side_file("chat_template.jinja")) return keys.set(std::string(kKey), std::move(*text));
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
    const auto file = source.side_json(name);
    const json::value* found = file && file->is_object() ? file->get_object().if_contains("chat_template") : nullptr;
    if (found == nullptr) continue;
    if (found->is_string()) return keys.set(std::string(kKey), std::string(found->get_string()));
    if (!found->is_array()) continue;
    for (const json::value& entry : found->get_array()) {
      const json::object* object = entry.if_object();
      const json::value* label = object ? object->if_contains("name") : nullptr;
      const json::value* text = object ? object->if_contains("template") : nullptr;
      if (label == nullptr || text == nullptr || !label->is_string() || !text->is_string()) continue;
      const std::string suffix = label->get_string() == "default" ? "" : "." + std::string(label->get_string());
      keys.set(std::string(kKey) + suffix, std::string(text->get_string()));
    }
    return;
  }
}

/** Stop tokens: <eos>, then those that end a turn or a message. */
void add_special_ids(const Config& config, Metadata& keys) {
  constexpr int32_t kEos = 1;
  const SpecialTokens& special = config.special;
  keys.set("tokenizer.ggml.bos_token_id", int64_t{special.bos});
  keys.set("tokenizer.ggml.padding_token_id", int64_t{special.pad});
  std::vector<int32_t> stops = special.eos;
  const auto eos = std::find(stops.begin(), stops.end(), kEos);
  if (eos != stops.end()) std::rotate(stops.begin(), eos, eos + 1);
  constexpr const char* kNames[] = {"eos", "eot", "eom"};
  for (size_t i = 0; i < std::min<size_t>(stops.size(), 3); ++i) {
    keys.set(fmt::format("tokenizer.ggml.{}_token_id", kNames[i]), int64_t{stops[i]});
  }
  if (!special.suppress.empty()) {
    keys.set("tokenizer.ggml.suppress_tokens", std::vector<int64_t>(special.suppress.begin(), special.suppress.end()),
             MetaType::i32);
  }
}

void add_named_ids(Metadata& keys) {
  const std::vector<std::string>& pieces = *keys.strings("tokenizer.ggml.tokens");
  for (const auto& [piece, key] : {std::pair{"<unk>", "unknown"}, std::pair{"<mask>", "mask"}}) {
    const auto found = std::find(pieces.begin(), pieces.end(), piece);
    if (found != pieces.end()) {
      keys.set(fmt::format("tokenizer.ggml.{}_token_id", key), static_cast<int64_t>(found - pieces.begin()));
    }
  }
}

}  // namespace

bool add_tokenizer_keys(const ModelFile& source, const Config& config, Metadata& keys) {
  const auto text = source.side_file("tokenizer.json");
  if (!text) {
    keys.set("tokenizer.ggml.model", std::string("none"));
    add_special_ids(config, keys);
    return false;
  }
  TokenizerKeys tokenizer(source, config, *text);
  if (config.generation == 3) {
    tokenizer.write_gemma3(keys);
  } else {
    tokenizer.write_gemma4(keys);
  }
  add_special_ids(config, keys);
  add_named_ids(keys);
  keys.set("tokenizer.ggml.add_bos_token", true);
  keys.set("tokenizer.ggml.add_eos_token", false);
  keys.set("tokenizer.ggml.add_space_prefix", false);
  add_chat_templates(source, keys);
  return true;
}

}  // namespace gemma
