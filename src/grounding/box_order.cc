// SPDX-License-Identifier: Apache-2.0
#include "grounding/box_order.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "grounding/findings.h"

namespace gemma::grounding {
namespace {

constexpr int kMost = static_cast<int>(kScale);

void forbid(std::span<uint32_t> bits, int32_t id) { bits[static_cast<size_t>(id / 32)] &= ~(uint32_t{1} << (id % 32)); }
bool allows(std::span<const uint32_t> bits, int32_t id) {
  return (bits[static_cast<size_t>(id / 32)] >> (id % 32) & 1) != 0;
}

}  // namespace

std::shared_ptr<const Grammar> with_ordered_boxes(std::shared_ptr<const Grammar> grammar,
                                                  std::shared_ptr<const Tokenizer> tokenizer, int vocab) {
  const auto shared = std::make_shared<const BoxOrder::Vocabulary>(std::move(tokenizer), vocab);
  const size_t bytes = grammar->bytes() + shared->beginning.size() * sizeof(int32_t);
  const double seconds = grammar->seconds();
  auto make = [grammar = std::move(grammar), shared] { return std::make_unique<BoxOrder>(grammar->mask(), shared); };
  return std::make_shared<const Grammar>(std::move(make), bytes, seconds);
}

BoxOrder::Vocabulary::Vocabulary(std::shared_ptr<const Tokenizer> pieces, int vocab) : tokenizer(std::move(pieces)) {
  for (int32_t id = 0; id < std::min(vocab, tokenizer->size()); ++id) {
    const std::string text = tokenizer->bytes(id);
    if (text.find('[') < text.size() - 1) beginning.push_back(id);
  }
}

int BoxOrder::Place::least() const { return count < 2 ? 0 : corner[count % 2] + 1; }
int BoxOrder::Place::most() const { return count < 2 ? kMost - 1 : kMost; }
bool BoxOrder::Place::whole() const { return least() <= number && number <= most(); }

/** Whether digits, or none, can follow. */
bool BoxOrder::Place::may_become() const {
  for (int low = number, high = number; low <= kMost; low *= 10, high = high * 10 + 9) {
    if (low <= most() && least() <= high) return true;
    if (number == 0) break;  // no zero leads
  }
  return false;
}

bool BoxOrder::Place::step_in_box(char letter) {
  if (letter >= '0' && letter <= '9') {
    number = std::max(number, 0) * 10 + (letter - '0');
    return may_become();
  }
  if (number < 0) return true;  // a blank before it
  if (!whole()) return false;
  if (letter != ',' && letter != ']') return true;
  if (count < 2) corner[count] = number;
  number = -1;
  ++count;
  if (letter == ']') --depth;
  return true;
}

bool BoxOrder::Place::step(char letter) {
  if (quoted) {
    quoted = escaped || letter != '"';
    escaped = !escaped && letter == '\\';
    return true;
  }
  if (depth == 2) return step_in_box(letter);
  if (letter == '"') quoted = true;
  if (letter == ']') --depth;
  if (letter == '[' && ++depth == 2) count = 0;
  return true;
}

bool BoxOrder::step(Place& place, int32_t token) const {
  for (const char letter : vocabulary_->tokenizer->bytes(token)) {
    if (!place.step(letter)) return false;
  }
  return true;
}

void BoxOrder::fill(std::span<uint32_t> bits) {
  mask_->fill(bits);
  const auto check = [&](int32_t id) {
    Place place = places_.back();
    if (!step(place, id)) forbid(bits, id);
  };
  if (places_.back().depth < 2) {
    for (const int32_t id : vocabulary_->beginning) {
      if (allows(bits, id)) check(id);
    }
    return;
  }
  // Of numbers a schema allows few tokens.
  for (size_t word = 0; word < bits.size(); ++word) {
    for (uint32_t left = bits[word]; left != 0; left &= left - 1) {
      check(static_cast<int32_t>(word * 32) + std::countr_zero(left));
    }
  }
}

bool BoxOrder::accept(int32_t token) {
  Place place = places_.back();
  if (!step(place, token) || !mask_->accept(token)) return false;
  places_.push_back(place);
  return true;
}

void BoxOrder::rollback(int tokens) {
  GEMMA_CHECK(tokens >= 0 && static_cast<size_t>(tokens) < places_.size(), "no more is undone than was accepted");
  mask_->rollback(tokens);
  places_.resize(places_.size() - static_cast<size_t>(tokens));
}

bool BoxOrder::nearer(std::span<uint32_t> bits) const {
  const auto* ending = dynamic_cast<const Ending*>(mask_.get());
  return ending != nullptr && ending->nearer(bits);
}

}  // namespace gemma::grounding
