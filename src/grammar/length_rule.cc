// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>

#include "base/utf8.h"
#include "grammar/text_rule.h"

namespace gemma {
namespace {

/** A place: characters begun, and the bytes of one that is not complete. */
struct Place {
  int64_t characters = 0;
  std::string open;

  static Place of(int64_t number) {
    Place place{number >> 32, {}};
    for (int i = 0; i < 3; ++i) {
      const auto byte = static_cast<char>((number >> (8 * i)) & 0xFF);
      if (byte != 0) place.open += byte;
    }
    return place;
  }
  int64_t number() const {
    int64_t out = characters << 32;
    for (size_t i = 0; i < open.size(); ++i) out |= int64_t{static_cast<uint8_t>(open[i])} << (8 * i);
    return out;
  }
};

class LengthRule final : public TextRule {
 public:
  LengthRule(std::shared_ptr<const TokenTexts> texts, int64_t least, int64_t most)
      : texts_(std::move(texts)), least_(least), most_(most) {}

  int64_t start() const override { return 0; }

  int64_t after(int64_t number, int32_t token) const override {
    Place place = Place::of(number);
    if (place.open.empty()) {
      if (const int count = texts_->characters(token)) {
        if (count > left(place)) return kNowhere;
        place.characters = std::min(place.characters + count, counted());
        return place.number();
      }
      if (left(place) == 0) return kNowhere;
      place.characters = std::min(place.characters + 1, counted());
    }
    const std::string_view text = texts_->text(token);
    if (text.size() != 1 || texts_->byte(static_cast<uint8_t>(text[0])) != token) return kNowhere;
    place.open += text;
    if (utf8::valid(place.open)) {
      place.open.clear();
    } else if (!utf8::incomplete(place.open)) {
      return kNowhere;
    }
    return place.number();
  }

  void allow(int64_t number, std::span<uint32_t> bits) const override {
    const Place place = Place::of(number);
    if (place.open.empty()) {
      const std::vector<uint32_t>& whole = texts_->up_to(left(place));
      for (size_t i = 0; i < bits.size(); ++i) bits[i] |= whole[i];
    }
    for (int byte = 0x80; byte < 0x100; ++byte) {
      const int32_t id = texts_->byte(static_cast<uint8_t>(byte));
      if (id >= 0 && after(number, id) != kNowhere) bits[static_cast<size_t>(id / 32)] |= uint32_t{1} << (id % 32);
    }
  }

  bool whole(int64_t number) const override {
    const Place place = Place::of(number);
    return place.open.empty() && place.characters >= least_;
  }

  bool full(int64_t number) const override {
    const Place place = Place::of(number);
    return place.open.empty() && left(place) == 0;
  }
  /** Each does. */
  void nearer(int64_t, std::span<uint32_t>) const override {}

  size_t bytes() const override { return sizeof *this; }

 private:
  /** More characters than these make no difference. */
  int64_t counted() const { return most_ == kAnyLength ? std::max<int64_t>(least_, 0) : most_; }
  int64_t left(const Place& place) const { return most_ == kAnyLength ? INT32_MAX : most_ - place.characters; }

  std::shared_ptr<const TokenTexts> texts_;
  int64_t least_, most_;
};

}  // namespace

std::unique_ptr<const TextRule> length_rule(std::shared_ptr<const TokenTexts> texts, int64_t least, int64_t most) {
  return std::make_unique<LengthRule>(std::move(texts), least, most);
}

}  // namespace gemma
