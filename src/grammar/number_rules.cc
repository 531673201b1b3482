// SPDX-License-Identifier: Apache-2.0
// Numbers between bounds: digit by digit, as long as those before are the bound's own.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "grammar/number_rules.h"

namespace gemma {
namespace {

constexpr int kMostDigits = 63, kMostDecimals = 9;  // where no bound says how many; doubles hold them

Pattern digits(char low, char high) { return of_set({{static_cast<char32_t>(low), static_cast<char32_t>(high)}}); }
Pattern nothing() { return of_set({}); }

/** Strings of digits between two of the same length; null where there is no bound. */
Pattern between(std::string_view low, std::string_view high, size_t length, bool at_low, bool at_high) {
  if (length == 0) return {};
  if (!at_low && !at_high) return times(digits('0', '9'), static_cast<int>(length), static_cast<int>(length));
  const char least = at_low ? low[0] : '0', most = at_high ? high[0] : '9';
  const std::string_view lower = at_low ? low.substr(1) : low, higher = at_high ? high.substr(1) : high;
  std::vector<Pattern> arms;
  const auto add = [&](char first, char last, bool low_again, bool high_again) {
    if (first > last) return;
    arms.push_back(in_sequence({digits(first, last), between(lower, higher, length - 1, low_again, high_again)}));
  };
  if (least == most) {
    add(least, most, at_low, at_high);
  } else {
    if (at_low) add(least, least, true, false);
    add(static_cast<char>(least + at_low), static_cast<char>(most - at_high), false, false);
    if (at_high) add(most, most, false, true);
  }
  return one_of(std::move(arms));
}

/** Whole numbers from `low` to `high` as they are written; "": without end. */
Pattern whole_between(const std::string& low, const std::string& high) {
  const size_t longest = high.empty() ? low.size() : high.size();
  std::vector<Pattern> arms;
  for (size_t length = low.size(); length <= longest; ++length) {
    std::string first = length == low.size() ? low : "1" + std::string(length - 1, '0');
    std::string last = length == high.size() ? high : std::string(length, '9');
    if (first == "0" && length == 1 && last != "0") {  // no zero leads
      arms.push_back(exactly("0"));
      first = "1";
    }
    if (first.size() == last.size() && first > last) continue;
    arms.push_back(between(first, last, length, true, true));
  }
  if (high.empty()) {
    const auto rest = static_cast<int>(low.size());
    arms.push_back(in_sequence({digits('1', '9'), times(digits('0', '9'), rest, std::max(rest, kMostDigits))}));
  }
  return one_of(std::move(arms));
}

/** A number that is not below 0, cut at its point. */
struct Decimal {
  std::string whole, places;  // six of these
  bool excluded = false, endless = false;

  static Decimal of(double value, bool excluded) {
    if (std::isinf(value)) return {"", "", false, true};
    const std::string text = fmt::format("{:.6f}", value);
    return {text.substr(0, text.size() - 7), text.substr(text.size() - 6), excluded, false};
  }
  bool zeros_from(size_t at) const { return places.find_first_not_of('0', at) == std::string::npos; }
};

/** The decimal places behind those that were the bounds' own, which come first where a place must come. */
Pattern places_between(const Decimal& low, const Decimal& high, size_t at, bool at_low, bool at_high, bool some) {
  const bool may_end =
      !some && !(at_low && (!low.zeros_from(at) || low.excluded)) && !(at_high && high.zeros_from(at) && high.excluded);
  // Beside a bound that is no number itself a double must tell them apart.
  const int most_places = low.excluded || high.excluded ? 6 - static_cast<int>(at) : kMostDecimals;
  if (!at_low && !at_high) return times(digits('0', '9'), some ? 1 : 0, most_places);
  std::vector<Pattern> arms;
  if (may_end) arms.emplace_back();
  if (at == 6) {
    if (may_end && at_high) return times(digits('0', '0'), 0, kMostDecimals);
    return may_end ? times(digits('0', '9'), 0, kMostDecimals) : nothing();
  }
  const char least = at_low ? low.places[at] : '0', most = at_high ? high.places[at] : '9';
  for (char digit = least; digit <= most; ++digit) {
    arms.push_back(in_sequence({digits(digit, digit), places_between(low, high, at + 1, at_low && digit == least,
                                                                     at_high && digit == most, false)}));
  }
  return arms.empty() ? nothing() : one_of(std::move(arms));
}

/** A point and places, or none where the whole number fits by itself. */
Pattern fraction(const Decimal& low, const Decimal& high, bool at_low, bool at_high) {
  std::vector<Pattern> arms{in_sequence({exactly("."), places_between(low, high, 0, at_low, at_high, true)})};
  const bool bare =
      !(at_low && (!low.zeros_from(0) || low.excluded)) && !(at_high && high.zeros_from(0) && high.excluded);
  if (bare) arms.emplace_back();
  return one_of(std::move(arms));
}

std::string plus(const std::string& whole, int by) { return std::to_string(std::stoll(whole) + by); }

/** Neither is below 0. */
Pattern decimals_between(const Decimal& low, const Decimal& high) {
  if (low.whole == high.whole) return in_sequence({exactly(low.whole), fraction(low, high, true, true)});
  std::vector<Pattern> arms{in_sequence({exactly(low.whole), fraction(low, high, true, false)})};
  const std::string first = plus(low.whole, 1), last = high.endless ? "" : plus(high.whole, -1);
  if (high.endless || std::stoll(first) <= std::stoll(last)) {
    arms.push_back(in_sequence({whole_between(first, last), fraction(low, high, false, false)}));
  }
  if (!high.endless) arms.push_back(in_sequence({exactly(high.whole), fraction(low, high, false, true)}));
  return one_of(std::move(arms));
}

/** The digits of a whole number without its sign. */
std::string magnitude(int64_t value) {
  std::string text = std::to_string(value);
  return text[0] == '-' ? text.substr(1) : text;
}

}  // namespace

Pattern any_integer() {
  return in_sequence(
      {times(exactly("-"), 0, 1),
       one_of({exactly("0"), in_sequence({digits('1', '9'), times(digits('0', '9'), 0, kMostDigits)})})});
}

Pattern any_number() {
  const Pattern sign = one_of({exactly("+"), exactly("-"), {}});
  return in_sequence(
      {any_integer(), times(in_sequence({exactly("."), times(digits('0', '9'), 1, kMostDigits + 1)}), 0, 1),
       times(in_sequence({of_set({{'E', 'E'}, {'e', 'e'}}), sign, times(digits('0', '9'), 1, 2)}), 0, 1)});
}

Pattern integers_between(const json::value& low, const json::value& high) {
  const bool from = low.is_int64(), to = high.is_int64();
  const int64_t first = from ? low.get_int64() : 0, last = to ? high.get_int64() : 0;
  std::vector<Pattern> arms;
  if (!to || last >= 0) {
    arms.push_back(whole_between(from && first > 0 ? magnitude(first) : "0", to ? magnitude(last) : ""));
  }
  if (!from || first < 0) {
    const std::string nearest = to && last < 0 ? magnitude(last) : "1";
    arms.push_back(in_sequence({exactly("-"), whole_between(nearest, from ? magnitude(first) : "")}));
  }
  return one_of(std::move(arms));
}

Pattern numbers_between(NumberBound low, NumberBound high) {
  const auto zero = [](const NumberBound& bound) { return Decimal::of(0, bound.value == 0 && bound.excluded); };
  std::vector<Pattern> arms;
  if (high.value > 0 || (high.value == 0 && !high.excluded && low.value <= 0)) {
    const Decimal from = low.value > 0 ? Decimal::of(low.value, low.excluded) : zero(low);
    if (low.value < high.value || low.value <= 0) {
      arms.push_back(decimals_between(from, Decimal::of(high.value, high.excluded)));
    } else {
      arms.push_back(decimals_between(from, from));
    }
  }
  if (low.value < 0) {
    const Decimal from = high.value < 0 ? Decimal::of(-high.value, high.excluded) : zero(high);
    arms.push_back(in_sequence({exactly("-"), decimals_between(from, Decimal::of(-low.value, low.excluded))}));
  }
  return one_of(std::move(arms));
}

}  // namespace gemma
