// SPDX-License-Identifier: Apache-2.0
// tokenizer.json of any kind: what is accepted can encode and decode, and gives the letters back.
// Links: text
#include "fuzz/fuzz.h"
#include "text/tokenizer.h"

namespace gemma {
namespace {

void use(const Tokenizer& tokenizer) {
  std::string all;
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < tokenizer.size() && ids.size() < 2000; ++id) {
    ids.push_back(id);
    all += tokenizer.piece(id);
    all += ' ';
    if (tokenizer.find(tokenizer.piece(id)) != id) __builtin_trap();
  }
  tokenizer.decode(ids);
  tokenizer.decode(ids, true);
  for (const Specials specials : {Specials::text, Specials::control}) {
    for (const int32_t id : tokenizer.encode(all, specials)) {
      const bool control = tokenizer.kind(id) == PieceKind::control;
      if (control && specials == Specials::text) __builtin_trap();
    }
  }
}

}  // namespace
}  // namespace gemma

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gemma::fuzz::refuses_or_reads(
      [&] { gemma::use(*gemma::Tokenizer::from_json("tokenizer.json", gemma::fuzz::text(data, size))); });
}
