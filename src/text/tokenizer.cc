// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include "base/error.h"
#include "base/utf8.h"
#include "text/tables.h"

namespace gemma {
namespace {

constexpr size_t kLongestText = size_t{1} << 30;
constexpr char32_t kReplacement = 0xfffd;

void append_unmarked(std::string& out, std::string_view piece) {
  for (size_t at = 0; at <= piece.size();) {
    const size_t mark = std::min(piece.find(kBlank, at), piece.size());
    out.append(piece, at, mark - at);
    if (mark < piece.size()) out += ' ';
    at = mark + kBlank.size();
  }
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<const TokenizerTables> tables) : tables_(std::move(tables)) {}
Tokenizer::~Tokenizer() = default;

std::shared_ptr<const Tokenizer> Tokenizer::from(const ModelFile& file) {
  if (file.format() == FileFormat::gguf) return from_metadata(file.name(), file.metadata());
  const auto text = file.side_file("tokenizer.json");
  if (!text) fail(file.name(), "no tokenizer.json beside the weights (needed to turn text into tokens)");
  return from_json(file.folder().empty() ? "tokenizer.json" : file.folder() + "/tokenizer.json", *text);
}

std::shared_ptr<const Tokenizer> Tokenizer::from_json(std::string_view where, std::string_view text) {
  return std::shared_ptr<const Tokenizer>(new Tokenizer(tables_from_json(where, text)));
}

std::shared_ptr<const Tokenizer> Tokenizer::from_metadata(std::string_view where, const Metadata& metadata) {
  return std::shared_ptr<const Tokenizer>(new Tokenizer(tables_from_gguf(where, metadata)));
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, Specials specials) const {
  if (text.size() > kLongestText) {
    fail("text", "{} bytes are too much for one text (expected at most {})", text.size(), kLongestText);
  }
  return encode_text(*tables_, text, specials);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_control) const {
  std::string out, run;  // run: byte pieces side by side
  const auto end_run = [&] {
    if (utf8::valid(run)) {
      out += run;
    } else {
      for (size_t i = 0; i < run.size(); ++i) utf8::append(out, kReplacement);
    }
    run.clear();
  };
  for (const int32_t id : ids) {
    const std::string_view text = piece(id);
    if (skip_control && tables_->vocabulary.hidden(id)) continue;
    if (kind(id) == PieceKind::byte) {
      run += static_cast<char>(tables_->vocabulary.value_of(id));
      continue;
    }
    end_run();
    append_unmarked(out, text);
  }
  end_run();
  return out;
}

int Tokenizer::size() const { return tables_->vocabulary.size(); }

std::string_view Tokenizer::piece(int32_t id) const {
  if (id < 0 || id >= size()) fail("token", "id {} is unknown (expected 0 .. {})", id, size() - 1);
  return tables_->vocabulary.piece(id);
}

PieceKind Tokenizer::kind(int32_t id) const {
  if (id < 0 || id >= size()) fail("token", "id {} is unknown (expected 0 .. {})", id, size() - 1);
  return tables_->vocabulary.kind(id);
}

std::optional<int32_t> Tokenizer::find(std::string_view text) const {
  const int32_t id = tables_->vocabulary.find(text);
  return id < 0 ? std::nullopt : std::optional(id);
}

std::string Tokenizer::bytes(int32_t id) const {
  const std::string_view text = piece(id);
  if (tables_->vocabulary.hidden(id)) return "";
  if (kind(id) == PieceKind::byte) return std::string(1, static_cast<char>(tables_->vocabulary.value_of(id)));
  std::string out;
  append_unmarked(out, text);
  return out;
}

bool Tokenizer::add_bos() const { return tables_->add_bos; }

Tokenizer::Stream::Stream(const Tokenizer& tokenizer, bool skip_control)
    : tokenizer_(tokenizer), skip_control_(skip_control) {}

std::string Tokenizer::Stream::push(int32_t id) {
  std::string text = tokenizer_.bytes(id);
  if (text.empty() && !skip_control_) text = tokenizer_.piece(id);
  if (tokenizer_.kind(id) != PieceKind::byte) {
    if (text.empty()) return text;  // a token left out does not end a character, as in decode()
    return finish() + text;
  }
  pending_ += text;
  std::string out;
  while (!utf8::incomplete(pending_)) {
    const int length = utf8::length(pending_);
    if (length > 0) {
      out.append(pending_, 0, static_cast<size_t>(length));
    } else {
      utf8::append(out, kReplacement);
    }
    pending_.erase(0, static_cast<size_t>(std::max(1, length)));
  }
  return out;
}

std::string Tokenizer::Stream::finish() {
  std::string out;
  for (size_t i = 0; i < pending_.size(); ++i) utf8::append(out, kReplacement);
  pending_.clear();
  return out;
}

}  // namespace gemma
