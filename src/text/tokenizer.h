// SPDX-License-Identifier: Apache-2.0
// Text <-> token ids. Three loaders (tokenizer.json, GGUF "llama", GGUF "gemma4"), one encoder.
//
//   auto tokenizer = Tokenizer::from(file);
//   std::vector<int32_t> ids = tokenizer->encode("Hello");   // no <bos>: whoever builds the prompt puts it
//   Tokenizer::Stream stream(*tokenizer);
//   for (int32_t id : ids) out += stream.push(id);            // whole UTF-8 characters only
//
// A tokenizer is immutable: any number of threads may use one at the same time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "file/model_file.h"

namespace gemma {

/** What "<end_of_turn>" in a text means. text: its letters (user text). control: the token. */
enum class Specials : uint8_t { text, control };

enum class PieceKind : uint8_t {
  normal,
  control,       // a token the user cannot type: <bos>, <|turn>
  user_defined,  // kept whole when met in text, and printed: newline runs, tags
  byte,          // <0xNN>
  unused,        // reserved: <unusedN>; never sampled
  unknown,
};

struct TokenizerTables;

class Tokenizer {
 public:
  /** From the model's own files: GGUF keys, or tokenizer.json of its folder. */
  static std::shared_ptr<const Tokenizer> from(const ModelFile& file);
  /** From the text of a tokenizer.json; `where` names it in messages. */
  static std::shared_ptr<const Tokenizer> from_json(std::string_view where, std::string_view text);
  /** From the tokenizer.ggml.* keys of a GGUF file. */
  static std::shared_ptr<const Tokenizer> from_metadata(std::string_view where, const Metadata& metadata);
  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  /** Any bytes, at most 1 GiB. What is not UTF-8 becomes byte pieces. Without Specials::control no control piece comes
   *  out, whatever the text spells. */
  std::vector<int32_t> encode(std::string_view text, Specials specials = Specials::text) const;
  /** Ids as text. A run of byte pieces that is not UTF-8 as a whole becomes one U+FFFD per byte, as in the reference;
   *  skip_control leaves control pieces out. Unknown ids are refused. */
  std::string decode(std::span<const int32_t> ids, bool skip_control = false) const;

  int size() const;                          // ids are 0 .. size - 1
  std::string_view piece(int32_t id) const;  // as the file spells it ("▁the", "<0x0A>", "<|turn>")
  PieceKind kind(int32_t id) const;
  std::optional<int32_t> find(std::string_view piece) const;
  /** The bytes an id stands for in running text ("▁the" -> " the", "<0x0A>" -> "\n"); "" for control pieces. */
  std::string bytes(int32_t id) const;
  /** Whether a prompt of raw text should begin with <bos> for this file. */
  bool add_bos() const;

  /** Ids -> text, whole characters at a time. Unlike decode(), it does not wait for the end of a run of byte pieces:
   *  each character is given out when its last byte has come, each byte that can begin none as U+FFFD. */
  class Stream {
   public:
    explicit Stream(const Tokenizer& tokenizer, bool skip_control = true);
    std::string push(int32_t id);
    std::string finish();  // what is left of an unfinished character, as U+FFFD

   private:
    const Tokenizer& tokenizer_;
    bool skip_control_;
    std::string pending_;
  };

 private:
  explicit Tokenizer(std::unique_ptr<const TokenizerTables> tables);
  std::unique_ptr<const TokenizerTables> tables_;
};

}  // namespace gemma
