// SPDX-License-Identifier: Apache-2.0
#include "grammar/hurry.h"

#include <algorithm>
#include <string>

namespace gemma {
namespace {

void set(std::vector<uint32_t>& bits, int32_t id) { bits[static_cast<size_t>(id / 32)] |= uint32_t{1} << (id % 32); }

bool meets(std::span<const uint32_t> a, const std::vector<uint32_t>& b, uint32_t flip) {
  for (size_t i = 0; i < a.size(); ++i) {
    if ((a[i] & (b[i] ^ flip)) != 0) return true;
  }
  return false;
}

}  // namespace

JsonEnds::JsonEnds(const Tokenizer& tokenizer, int vocab, const std::vector<int32_t>& stop_ids)
    : closing(static_cast<size_t>((vocab + 31) / 32)),
      blank(closing.size()),
      stops(closing.size()),
      square(blank),
      curly(blank),
      quote(blank) {
  for (int32_t id = 0; id < std::min(vocab, tokenizer.size()); ++id) {
    const std::string text = tokenizer.bytes(id);
    if (text.empty()) continue;
    if (text.find_first_not_of("\"]}") == std::string::npos) {
      set(closing, id);
      set(text[0] == ']' ? square : text[0] == '}' ? curly : quote, id);
    }
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) set(blank, id);
  }
  for (const int32_t id : stop_ids) {
    set(closing, id);
    set(stops, id);
  }
  // Of tool calls, where no letter closes a string.
  for (const std::string_view piece : {"<|\"|>", "<tool_call|>"}) {
    const auto id = tokenizer.find(piece);
    if (!id || *id >= vocab || tokenizer.kind(*id) != PieceKind::control) continue;
    set(closing, *id);
    if (piece == "<|\"|>") set(quote, *id);
  }
}

/** As the mask's part knows; not where other parts decide what may come. */
bool Hurry::nearer(std::span<uint32_t> bits) const {
  if (ending_ == nullptr) return false;
  const std::vector<uint32_t> before(bits.begin(), bits.end());
  if (!ending_->nearer(bits)) return false;
  if (std::any_of(bits.begin(), bits.end(), [](uint32_t word) { return word != 0; })) return true;
  std::copy(before.begin(), before.end(), bits.begin());
  return false;
}

void Hurry::fill(std::span<uint32_t> bits) {
  mask_->fill(bits);
  if (taken_ < after_ || mask_->free()) return;
  if (meets(bits, ends_->stops, 0)) {
    for (size_t i = 0; i < bits.size(); ++i) bits[i] &= ends_->stops[i];
    return;
  }
  if (nearer(bits)) return;
  if (meets(bits, ends_->closing, 0)) {
    // Both kinds of brackets at once come in a string alone, and close nothing there.
    const bool in_string = meets(bits, ends_->square, 0) && meets(bits, ends_->curly, 0);
    const std::vector<uint32_t>& ends = in_string && meets(bits, ends_->quote, 0) ? ends_->quote : ends_->closing;
    for (size_t i = 0; i < bits.size(); ++i) bits[i] &= ends[i];
  } else if (meets(bits, ends_->blank, ~uint32_t{0})) {
    for (size_t i = 0; i < bits.size(); ++i) bits[i] &= ~ends_->blank[i];
  }
}

bool Hurry::accept(int32_t token) {
  if (!mask_->accept(token)) return false;
  ++taken_;
  return true;
}

void Hurry::rollback(int tokens) {
  mask_->rollback(tokens);
  taken_ -= tokens;
}

}  // namespace gemma
