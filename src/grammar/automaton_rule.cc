// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "grammar/text_rule.h"

namespace gemma {
namespace {

constexpr size_t kManySteps = 5'000;  // of a walk that is worth keeping: 20 µs

class AutomatonRule final : public TextRule {
 public:
  AutomatonRule(std::shared_ptr<const TokenTexts> texts, Automaton automaton, std::shared_ptr<KeptMasks> kept)
      : texts_(std::move(texts)),
        automaton_(std::move(automaton)),
        kept_(std::move(kept)),
        id_(kept_->new_automaton()) {}

  int64_t start() const override { return automaton_.start(); }

  int64_t after(int64_t place, int32_t token) const override {
    const std::string_view text = texts_->text(token);
    auto state = static_cast<int>(place);
    for (const char c : text) {
      state = automaton_.next(state, static_cast<uint8_t>(c));
      if (state == Automaton::kDead) return kNowhere;
    }
    return text.empty() ? kNowhere : state;
  }

  void allow(int64_t place, std::span<uint32_t> bits) const override {
    const KeptMasks::Key key{id_, static_cast<int>(place)};
    KeptMasks::Mask mask = kept_->find(key);
    if (mask == nullptr) {
      std::vector<uint32_t> made(texts_->words());
      const bool costly = walk(static_cast<int>(place), made) > kManySteps;
      mask = std::make_shared<const std::vector<uint32_t>>(std::move(made));
      if (costly) kept_->keep(key, mask);
    }
    for (size_t i = 0; i < bits.size(); ++i) bits[i] |= (*mask)[i];
  }

  bool whole(int64_t place) const override { return automaton_.is_end(static_cast<int>(place)); }
  size_t bytes() const override { return automaton_.bytes(); }

 private:
  /** Over all texts, each from where it differs from the one before. Returns how many bytes it looked at. */
  size_t walk(int state, std::vector<uint32_t>& bits) const {
    const std::span<const TokenTexts::Token> tokens = texts_->sorted();
    const auto* const bytes = reinterpret_cast<const uint8_t*>(texts_->bytes());
    std::vector<int> after(texts_->longest() + 1, state);  // each byte of a text
    size_t steps = 0;
    for (size_t i = 0; i < tokens.size();) {
      const TokenTexts::Token& token = tokens[i];
      size_t depth = token.shared;
      int at = after[depth];
      while (depth < token.size && at != Automaton::kDead) {
        at = automaton_.next(at, bytes[token.begin + depth]);
        after[++depth] = at;
        ++steps;
      }
      ++i;
      if (at != Automaton::kDead) {
        bits[static_cast<size_t>(token.id / 32)] |= uint32_t{1} << (token.id % 32);
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
                                               std::shared_ptr<KeptMasks> kept) {
  return std::make_unique<AutomatonRule>(std::move(texts), std::move(automaton), std::move(kept));
}

}  // namespace gemma
