// SPDX-License-Identifier: Apache-2.0
// The goldens of the reference tokenizer (tests/golden/tokenizer) through every loader that can read the pieces. They
// need Gemma 3's own files, which ./bootstrap fetches; the Gemma 4 form is made of them by renaming, as the goldens
// were.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/testing/gemma4_pieces.h"
#include "text/tokenizer.h"

namespace gemma {
namespace {

const std::string kRoot = GEMMA4_GOLDEN "/../..";
const std::string kGemma3Json = kRoot + "/third_party/tokenizer-gemma3/tokenizer.json";
const std::string kGemma3Gguf = kRoot + "/models/gemma-3-270m-q4_k_m.gguf";

json::value golden(const std::string& name) {
  const std::string path = GEMMA4_GOLDEN "/tokenizer/" + name;
  return parse_json_or_fail(path, read_file(path));
}

std::vector<int32_t> ids_of(const json::value& list) {
  std::vector<int32_t> out;
  for (const json::value& id : list.as_array()) out.push_back(static_cast<int32_t>(id.as_int64()));
  return out;
}

std::string_view text_of(const json::object& row, std::string_view key, std::string_view otherwise = "") {
  const json::value* value = row.if_contains(key);
  return value ? std::string_view(value->as_string()) : otherwise;
}

/** Texts and ids whose result through a loader is the file's own and not the golden's. */
struct Exceptions {
  std::set<std::string> control, text;   // texts, encoded with Specials::control and Specials::text
  std::function<bool(int32_t)> printed;  // ids that this file leaves out and the golden prints
  int32_t missing = -1;                  // an id this file does not have
};

void check_encode(const Tokenizer& tokenizer, const json::value& rows, const Exceptions& exceptions) {
  size_t differ = 0;
  for (const json::value& item : rows.as_array()) {
    const json::object& row = item.as_object();
    const std::string text(text_of(row, "text"));
    const std::vector<int32_t> ids = ids_of(row.at("ids"));
    const std::vector<int32_t> as_text =
        row.contains("ids_special_as_text") ? ids_of(row.at("ids_special_as_text")) : ids;
    EXPECT_EQ(tokenizer.encode(text, Specials::control) != ids, exceptions.control.contains(text)) << text;
    EXPECT_EQ(tokenizer.encode(text, Specials::text) != as_text, exceptions.text.contains(text)) << text;
    for (const int32_t id : tokenizer.encode(text)) EXPECT_NE(tokenizer.kind(id), PieceKind::control) << text;
    differ += exceptions.control.contains(text) || exceptions.text.contains(text);
  }
  EXPECT_GE(differ, exceptions.text.size()) << "an exception that no row needs";
}

void check_decode(const Tokenizer& tokenizer, const json::value& rows, const Exceptions& exceptions) {
  for (const json::value& item : rows.as_array()) {
    const json::object& row = item.as_object();
    const std::vector<int32_t> ids = ids_of(row.at("ids"));
    if (std::find(ids.begin(), ids.end(), exceptions.missing) != ids.end()) continue;
    const std::string_view decoded = text_of(row, "decoded"), skipped = text_of(row, "decoded_skip_special", decoded);
    EXPECT_EQ(tokenizer.decode(ids), decoded);
    const bool differs = exceptions.printed && std::any_of(ids.begin(), ids.end(), exceptions.printed);
    EXPECT_EQ(tokenizer.decode(ids, true) != skipped, differs) << decoded;
    Tokenizer::Stream stream(tokenizer);
    std::string streamed;
    for (const int32_t id : ids) {
      const std::string some = stream.push(id);
      EXPECT_TRUE(utf8::valid(some));
      streamed += some;
    }
    streamed += stream.finish();
    if (decoded.find("\uFFFD") == std::string_view::npos) {
      EXPECT_EQ(streamed, tokenizer.decode(ids, true));
    }
  }
}

void check_all(const Tokenizer& tokenizer, const json::value& goldens, const Exceptions& exceptions = {}) {
  const json::object& root = goldens.as_object();
  check_encode(tokenizer, root.at("encode"), exceptions);
  check_decode(tokenizer, root.at("encode"), exceptions);
  check_decode(tokenizer, root.at("decode"), exceptions);
}

TEST(Golden, Gemma3TokenizerJson) {
  const auto tokenizer = Tokenizer::from_json(kGemma3Json, read_file(kGemma3Json));
  EXPECT_EQ(tokenizer->size(), 262145);
  EXPECT_TRUE(tokenizer->add_bos());
  check_all(*tokenizer, golden("gemma3.json"));
  // Every added token is found where it stands, alone and between letters.
  for (int32_t id = 0; id < tokenizer->size(); ++id) {
    if (tokenizer->kind(id) == PieceKind::normal || tokenizer->kind(id) == PieceKind::byte) continue;
    const std::string piece(tokenizer->piece(id));
    ASSERT_EQ(tokenizer->encode(piece, Specials::control), std::vector{id}) << piece;
    ASSERT_EQ(tokenizer->encode("a" + piece + "b", Specials::control), (std::vector<int32_t>{236746, id, 236763}))
        << piece;
  }
}

TEST(Golden, Gemma4InBothForms) {
  const json::value goldens = golden("gemma4.json");
  const Gemma4Pieces pieces(kGemma3Json, goldens.at("special_tokens").as_object());
  check_all(*Tokenizer::from_json("tokenizer.json", pieces.to_json()), goldens);
  const auto gguf = Tokenizer::from_metadata("model.gguf", pieces.to_metadata());
  check_all(*gguf, goldens);  // no exceptions
  EXPECT_TRUE(gguf->add_bos());
}

TEST(Golden, Gemma3Gguf) {
  const auto tokenizer = Tokenizer::from(ModelFile::open(kGemma3Gguf));
  EXPECT_EQ(tokenizer->size(), 262144);
  EXPECT_TRUE(tokenizer->add_bos());
  Exceptions own;
  own.missing = 262144;  // <image_soft_token>: this file has no such piece, so its letters stay letters
  own.control.insert("<image_soft_token>");
  // The file spells runs of blanks with blanks, tokenizer.json with marks: two marks that somebody typed are a piece to
  // the one and two pieces to the other.
  own.control.insert("▁▁");
  own.text.insert("▁▁");
  // Reserved pieces and <mask> are control pieces here, added tokens that may be typed (and are printed) there.
  own.text.insert({"<unused0>", "<unused99>", "<unused6241>", "a<unused5>b", "<mask>"});
  own.printed = [&](int32_t id) { return id == 4 || tokenizer->kind(id) == PieceKind::unused; };
  check_all(*tokenizer, golden("gemma3.json"), own);
}

}  // namespace
}  // namespace gemma
