// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include "grammar/text_rule.h"

namespace gemma {
namespace {

constexpr size_t kManySteps = 5'000;  // of a walk that is worth keeping: 20 µs

class AutomatonRule final : public TextRule {
 public:
  AutomatonRule(std::shared_ptr<const TokenTexts> texts, Automaton automaton, std::shared_ptr<KeptMasks> kept,
                std::vector<int32_t> tokens)
      : texts_(std::move(texts)),
        automaton_(std::move(automaton)),
        kept_(std::move(kept)),
        id_(kept_->new_automaton()),
        tokens_(std::move(tokens)) {
    constexpr int kFew = 64;      // states, each of which may as well have a mask of its own
    constexpr size_t kToken = 4;  // bytes of Automaton::bytes_of_token
    if (automaton_.states() > kFew) alike_ = automaton_.alike(static_cast<int>(std::max(texts_->longest(), kToken)));
  }

  int64_t start() const override { return automaton_.start(); }

  int64_t after(int64_t place, int32_t token) const override {
    if (std::find(tokens_.begin(), tokens_.end(), token) != tokens_.end()) {
      const auto bytes = Automaton::bytes_of_token(token);
      return behind(place, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
    const std::string_view text = texts_->text(token);
    const bool none = text.empty() || static_cast<uint8_t>(text[0]) == Automaton::kTokenByte;
    return none ? kNowhere : behind(place, text);
  }

  void allow(int64_t place, std::span<uint32_t> bits) const override {
    const KeptMasks::Mask mask = mask_of(static_cast<int>(place), false);
    for (size_t i = 0; i < bits.size(); ++i) bits[i] |= (*mask)[i];
  }

  bool whole(int64_t place) const override { return automaton_.is_end(static_cast<int>(place)); }
  bool full(int64_t place) const override { return !automaton_.leads_on(static_cast<int>(place)); }

  void nearer(int64_t place, std::span<uint32_t> bits) const override {
    const KeptMasks::Mask mask = mask_of(static_cast<int>(place), true);
    for (size_t i = 0; i < bits.size(); ++i) bits[i] &= (*mask)[i];
  }

  size_t bytes() const override { return automaton_.bytes() + alike_.size() * sizeof(int); }

 private:
  int64_t behind(int64_t place, std::string_view text) const {
    auto state = static_cast<int>(place);
    for (const char c : text) {
      state = automaton_.next(state, static_cast<uint8_t>(c));
      if (state == Automaton::kDead) return kNowhere;
    }
    return state;
  }

  /** The ids that may come; nearer: of them those behind which an end is nearer. */
  KeptMasks::Mask mask_of(int state, bool nearer) const {
    if (!nearer && !alike_.empty()) state = alike_[static_cast<size_t>(state)];
    const KeptMasks::Key key{id_, nearer ? -1 - state : state};
    if (KeptMasks::Mask known = kept_->find(key)) return known;
    auto made = std::make_shared<std::vector<uint32_t>>(texts_->words());
    const int most = nearer ? automaton_.distance(state) - 1 : std::numeric_limits<int>::max();
    const bool costly = walk(state, most, *made) > kManySteps;
    for (const int32_t token : tokens_) {
      const int64_t next = after(state, token);
      if (next != kNowhere && automaton_.distance(static_cast<int>(next)) <= most) set(*made, token);
    }
    if (costly) kept_->keep(key, made);
    return made;
  }

  static void set(std::vector<uint32_t>& bits, int32_t id) {
    bits[static_cast<size_t>(id / 32)] |= uint32_t{1} << (id % 32);
  }

  /** Over all texts, each from where it differs from the one before; those that come no farther from an end than `most`
   *  are set. Returns how many bytes it looked at. */
  size_t walk(int state, int most, std::vector<uint32_t>& bits) const {
    const std::span<const TokenTexts::Token> tokens = texts_->sorted();
    const auto* const bytes = reinterpret_cast<const uint8_t*>(texts_->bytes());
    const uint8_t* const columns = automaton_.columns();
    std::vector<int> kept(texts_->longest() + 1, state);
    int* const after = kept.data();  // each byte of a text
    size_t steps = 0;
    for (size_t i = 0; i < tokens.size();) {
      const TokenTexts::Token token = tokens[i];
      const uint8_t* const text = bytes + token.begin;
      if (text[0] == Automaton::kTokenByte) break;  // the last ones
      size_t depth = token.shared;
      int at = after[depth];
      while (depth < token.size) {
        at = automaton_.row(at)[columns[text[depth]]];
        after[++depth] = at;
        if (at == Automaton::kDead) break;
      }
      steps += depth - token.shared;
      ++i;
      if (at != Automaton::kDead) {
        if (automaton_.distance(at) <= most) set(bits, token.id);
        continue;
      }
      while (i < tokens.size() && tokens[i].shared >= depth) i = std::max<size_t>(i + 1, tokens[i].below_end);
    }
    return steps;
  }

  std::shared_ptr<const TokenTexts> texts_;
  const Automaton automaton_;
  std::shared_ptr<KeptMasks> kept_;
  const uint64_t id_;
  const std::vector<int32_t> tokens_;
  std::vector<int> alike_;  // states whose masks are the same; of few states empty
};

}  // namespace

uint64_t KeptMasks::new_automaton() {
  return state_.with([](State& state) { return state.automata++; });
}

KeptMasks::Mask KeptMasks::find(Key key) {
  return state_.with([&](State& state) {
    const auto found = state.masks.find(key);
    return found == state.masks.end() ? nullptr : found->second;
  });
}

void KeptMasks::keep(Key key, Mask mask) {
  state_.with([&](State& state) {
    if (state.masks.size() >= kMost) state.masks.clear();
    state.masks[key] = std::move(mask);
  });
}

std::unique_ptr<const TextRule> automaton_rule(std::shared_ptr<const TokenTexts> texts, Automaton automaton,
                                               std::shared_ptr<KeptMasks> kept, std::vector<int32_t> tokens) {
  return std::make_unique<AutomatonRule>(std::move(texts), std::move(automaton), std::move(kept), std::move(tokens));
}

}  // namespace gemma
