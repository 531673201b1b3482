// SPDX-License-Identifier: Apache-2.0
// tokenizer.json (the format of the Rust library `tokenizers`) as Gemma's files use it: BPE by rank with byte pieces, a
// normalizer that marks blanks, added tokens. What Gemma's files do not use is refused by its name.
#include <optional>

#include "base/error.h"
#include "text/tables.h"
#include "text/tokenizer_json.h"

namespace gemma {
namespace {

const json::value kNull;

const json::value& member(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  return found ? *found : kNull;
}

/** Reads members of one object; a member of another type than asked for is refused with its path. */
class Reader {
 public:
  Reader(std::string_view where, std::string path, const json::value& value) : where_(where), path_(std::move(path)) {
    object_ = value.if_object();
    if (!object_) fail(where_, "{}: expected an object, found {}", path_, to_string(value.kind()));
  }
  const json::value& at(std::string_view key) const { return member(*object_, key); }
  std::string name(std::string_view key) const { return path_ + "." + std::string(key); }

  bool boolean(std::string_view key, bool otherwise) const {
    const json::value& value = at(key);
    if (value.is_null()) return otherwise;
    if (!value.is_bool()) wrong(key, "a boolean");
    return value.get_bool();
  }
  std::string_view string(std::string_view key) const {
    const json::value& value = at(key);
    if (value.is_null()) return "";
    if (!value.is_string()) wrong(key, "a string");
    return value.get_string();
  }
  int64_t integer(std::string_view key) const {
    const json::value& value = at(key);
    if (!value.is_int64()) wrong(key, "an integer");
    return value.get_int64();
  }
  [[noreturn]] void wrong(std::string_view key, std::string_view expected) const {
    const json::value& value = at(key);
    fail(where_, "{}: expected {}, found {}", name(key), expected,
         object_->contains(key) ? std::string(to_string(value.kind())) : "none");
  }
  void refuse(std::string_view key, bool bad) const {
    if (bad) {
      fail(where_, "{} is {}: no Gemma tokenizer has that, and this program cannot do it", name(key), brief(at(key)));
    }
  }

 private:
  static std::string to_string(json::kind kind) { return std::string(json::to_string(kind)); }
  static std::string brief(const json::value& value) { return json::serialize(value).substr(0, 60); }
  std::string_view where_;
  std::string path_;
  const json::object* object_ = nullptr;
};

struct AddedToken {
  int64_t id = 0;
  std::string content;
  bool special = false, normalized = false;
};

std::vector<AddedToken> read_added(std::string_view where, const json::value& list) {
  std::vector<AddedToken> added;
  if (list.is_null()) return added;
  if (!list.is_array()) fail(where, "added_tokens: expected a list");
  for (const json::value& item : list.get_array()) {
    const Reader token(where, fmt::format("added_tokens[{}]", added.size()), item);
    for (const char* option : {"single_word", "lstrip", "rstrip"}) token.refuse(option, token.boolean(option, false));
    if (!token.at("content").is_string()) token.wrong("content", "a string");
    added.push_back({token.integer("id"), std::string(token.string("content")), token.boolean("special", false),
                     token.boolean("normalized", false)});
  }
  return added;
}

/** Whether {"type": "Replace", "pattern": {"String": from}, "content": to}. */
bool is_replace(const json::value& step, std::string_view from, std::string_view to) {
  const json::object* object = step.if_object();
  const json::object* pattern = object ? member(*object, "pattern").if_object() : nullptr;
  return pattern && member(*object, "type") == "Replace" && member(*pattern, "String") == json::string(from) &&
         member(*object, "content") == json::string(to);
}

std::string type_of(const json::value& step) {
  const json::object* object = step.if_object();
  return object ? json::serialize(member(*object, "type")) : json::serialize(step).substr(0, 60);
}

/** The steps of a normalizer, pre-tokenizer, decoder or post-processor, a Sequence taken apart. */
std::vector<json::value> steps_of(const json::value& value, std::string_view list) {
  if (value.is_null()) return {};
  const json::object* object = value.if_object();
  if (object && member(*object, "type") == "Sequence" && member(*object, list).is_array()) {
    const json::array& steps = member(*object, list).get_array();
    return {steps.begin(), steps.end()};
  }
  return {value};
}

/** Whether blanks become marks. */
bool read_normalizer(std::string_view where, const Reader& root) {
  bool marks = false;
  for (const json::value& step : steps_of(root.at("normalizer"), "normalizers")) {
    if (!is_replace(step, " ", kBlank)) {
      fail(where, "normalizer: expected the replacement of ' ' by '{}' alone, found type {}", kBlank, type_of(step));
    }
    marks = true;
  }
  for (const json::value& step : steps_of(root.at("pre_tokenizer"), "pretokenizers")) {
    const json::object* object = step.if_object();
    const json::object* pattern = object ? member(*object, "pattern").if_object() : nullptr;
    // A cut at blanks does nothing where none are left.
    const bool idle = marks && pattern && member(*object, "type") == "Split" && member(*pattern, "String") == " ";
    if (!idle) fail(where, "pre_tokenizer: expected none or a split at ' ', found type {}", type_of(step));
  }
  return marks;
}

void check_decoder(std::string_view where, const Reader& root) {
  for (const json::value& step : steps_of(root.at("decoder"), "decoders")) {
    const json::object* object = step.if_object();
    const bool known = is_replace(step, kBlank, " ") ||
                       (object && (member(*object, "type") == "ByteFallback" || member(*object, "type") == "Fuse"));
    if (!known) {
      fail(where, "decoder: expected the replacement of '{}' by ' ', ByteFallback, Fuse; found type {}", kBlank,
           type_of(step));
    }
  }
}

/** Whether the post-processor puts a special token before a text. */
bool read_add_bos(const Reader& root) {
  for (const json::value& step : steps_of(root.at("post_processor"), "processors")) {
    const json::object* object = step.if_object();
    const json::array* single = object ? member(*object, "single").if_array() : nullptr;
    const json::object* first = single && !single->empty() ? single->front().if_object() : nullptr;
    if (first && first->contains("SpecialToken")) return true;
  }
  return false;
}

void check_model(std::string_view where, const Reader& model) {
  const std::string_view type = model.string("type");
  if (type != "BPE" && !model.at("type").is_null()) {
    fail(where, "model.type: expected \"BPE\" (Gemma's), found \"{}\"", type);
  }
  if (!model.boolean("byte_fallback", false)) fail(where, "model.byte_fallback: expected true (Gemma's), found false");
  model.refuse("ignore_merges", model.boolean("ignore_merges", false));
  const json::value& dropout = model.at("dropout");
  model.refuse("dropout", !dropout.is_null() && dropout != 0.0 && dropout != 0);
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    model.refuse(key, !model.string(key).empty());
  }
}

/** Pieces by id, from the model and the added tokens together. */
Vocabulary make_vocabulary(std::string_view where, TokenizerJson& file, const std::vector<AddedToken>& added) {
  const auto most = static_cast<int64_t>(file.pieces.size() + added.size());
  std::vector<Vocabulary::Span> spans(static_cast<size_t>(most));
  int64_t size = 0;
  const auto text_of = [&](Vocabulary::Span span) {
    return std::string_view(file.letters).substr(span.offset, span.length);
  };
  const auto place = [&](int64_t id, std::string_view text) -> Vocabulary::Span& {
    if (id < 0 || id >= most) {
      fail(where, "tokenizer: piece {} has id {} (ids must be 0 .. {} without holes)", shown(text), id, most - 1);
    }
    size = std::max(size, id + 1);
    return spans[static_cast<size_t>(id)];
  };
  for (const TokenizerJson::Piece& piece : file.pieces) {
    const std::string_view text = text_of(piece.span);
    if (text.empty()) fail(where, "tokenizer: the piece of id {} is empty", piece.id);
    Vocabulary::Span& span = place(piece.id, text);
    if (span.length > 0) fail(where, "tokenizer: id {} is both {} and {}", piece.id, shown(text_of(span)), shown(text));
    span = piece.span;
  }
  for (const AddedToken& token : added) {
    if (token.content.empty()) fail(where, "tokenizer: the added token of id {} is empty", token.id);
    Vocabulary::Span& span = place(token.id, token.content);
    if (span.length > 0 && text_of(span) != token.content) {
      fail(where, "tokenizer: id {} is both {} and the added token {}", token.id, shown(text_of(span)),
           shown(token.content));
    }
    if (span.length > 0) continue;
    span = {static_cast<uint32_t>(file.letters.size()), static_cast<uint32_t>(token.content.size())};
    file.letters += token.content;
  }
  spans.resize(static_cast<size_t>(size));
  return Vocabulary(where, std::move(file.letters), std::move(spans));
}

void add_whole_pieces(TokenizerTables& tables, const std::vector<AddedToken>& added) {
  for (const AddedToken& token : added) {
    const auto id = static_cast<int32_t>(token.id);
    tables.vocabulary.set_kind(id, token.special ? PieceKind::control : PieceKind::user_defined);
    if (!token.normalized) {
      tables.whole.add(token.content, id, token.special);
      continue;
    }
    std::string content;
    for (const char letter : token.content) {
      if (letter == ' ' && tables.mark_blanks) {
        content += kBlank;
      } else {
        content += letter;
      }
    }
    tables.whole_normalised.add(content, id, token.special);
  }
}

}  // namespace

std::unique_ptr<const TokenizerTables> tables_from_json(std::string_view where, std::string_view text) {
  TokenizerJson file = read_tokenizer_json(where, text);
  const Reader root(where, "tokenizer", file.rest);
  const Reader model(where, "model", root.at("model"));
  check_model(where, model);
  if (file.pieces.empty()) fail(where, "model.vocab: expected pieces and their ids, found none");
  check_decoder(where, root);
  const std::vector<AddedToken> added = read_added(where, root.at("added_tokens"));
  auto tables = std::make_unique<TokenizerTables>(make_vocabulary(where, file, added));
  tables->mark_blanks = read_normalizer(where, root);
  tables->add_bos = read_add_bos(root);
  add_whole_pieces(*tables, added);
  tables->set_joins(MergeTable(where, file.merges, tables->vocabulary));
  return tables;
}

}  // namespace gemma
