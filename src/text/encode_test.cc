// SPDX-License-Identifier: Apache-2.0
// The encoder against the plainest possible one: no cuts, no windows, no memory of parts.
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <limits>
#include <map>
#include <random>

#include "base/utf8.h"
#include "text/tiny_tokenizer.h"
#include "text/tokenizer.h"

namespace gemma {
namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();
using Priority = std::function<double(const std::string&, const std::string&)>;  // kNone: cannot be joined

/** Joins the best pair of the whole text, the leftmost of equals, until there is none. */
std::vector<std::string> plain_encode(const std::string& text, const Priority& priority) {
  std::vector<std::string> parts;
  for (size_t at = 0; at < text.size();) {
    const auto length = static_cast<size_t>(std::max(1, utf8::length(std::string_view(text).substr(at))));
    parts.push_back(text.substr(at, length));
    at += length;
  }
  std::vector<double> row(parts.size(), kNone);  // of each with its right neighbour
  const auto look = [&](size_t i) { row[i] = i + 1 < parts.size() ? priority(parts[i], parts[i + 1]) : kNone; };
  for (size_t i = 0; i < parts.size(); ++i) look(i);
  while (true) {
    const auto best = std::min_element(row.begin(), row.end());
    if (best == row.end() || *best == kNone) return parts;
    const auto place = best - row.begin();
    parts[static_cast<size_t>(place)] += parts[static_cast<size_t>(place) + 1];
    parts.erase(parts.begin() + place + 1);
    row.erase(best + 1);
    if (place > 0) look(static_cast<size_t>(place) - 1);
    look(static_cast<size_t>(place));
  }
}

std::vector<std::string> spelled(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<std::string> out;
  for (const int32_t id : tokenizer.encode(text)) out.push_back(tokenizer.bytes(id));
  return out;
}

/** Pieces from a small alphabet, every character and many joins of two; merges in a random order. */
TinyTokenizer random_tokenizer(std::mt19937& random, const std::vector<std::string>& letters, size_t pieces) {
  TinyTokenizer tiny;
  std::map<std::string, bool> known;
  for (const std::string& letter : letters) tiny.pieces.push_back(letter), known[letter] = true;
  for (int tries = 0; tiny.pieces.size() < pieces && tries < 10000; ++tries) {
    const std::string left = tiny.pieces[random() % tiny.pieces.size()],
                      right = tiny.pieces[random() % tiny.pieces.size()];
    if (left.size() + right.size() > 24) continue;
    if (!known[left + right]) tiny.pieces.push_back(left + right), known[left + right] = true;
    tiny.merges.emplace_back(left, right);
  }
  std::shuffle(tiny.merges.begin(), tiny.merges.end(), random);
  std::map<std::pair<std::string, std::string>, bool> seen;
  std::erase_if(tiny.merges, [&](const auto& merge) { return std::exchange(seen[merge], true); });
  for (size_t i = 0; i < tiny.pieces.size(); ++i) tiny.scores.push_back(static_cast<double>(random() % 20) * -0.5);
  return tiny;
}

std::string random_text(std::mt19937& random, const std::vector<std::string>& letters, size_t length) {
  std::string text;
  const size_t run = random() % 8 + 1;
  for (size_t i = 0; i < length; ++i) {
    const std::string& letter = letters[random() % letters.size()];
    for (size_t n = random() % run + 1; n > 0; --n) text += letter;
  }
  return text;
}

const std::vector<std::vector<std::string>> kAlphabets = {
    {"a"}, {"a", "b"}, {"a", "b", "c", "d"}, {"x", "é", "€", "😀"}, {"a", "b", "\n"}};

TEST(Encode, EqualsThePlainMergeByRank) {
  std::mt19937 random(11);
  for (int round = 0; round < 25; ++round) {
    const auto& letters = kAlphabets[static_cast<size_t>(round) % kAlphabets.size()];
    const TinyTokenizer tiny = random_tokenizer(random, letters, 8 + random() % 60);
    const auto tokenizer = Tokenizer::from_json("tiny", json::serialize(tiny.to_json()));
    std::map<std::pair<std::string, std::string>, double> ranks;
    for (const auto& merge : tiny.merges) ranks.emplace(merge, static_cast<double>(ranks.size()));
    for (const size_t length : {3, 30, 63, 64, 65, 200, 700}) {
      const std::string text = random_text(random, letters, length);
      ASSERT_EQ(spelled(*tokenizer, text), plain_encode(text,
                                                        [&](const std::string& left, const std::string& right) {
                                                          const auto rank = ranks.find({left, right});
                                                          return rank == ranks.end() ? kNone : rank->second;
                                                        }))
          << "round " << round << ": " << text;
    }
  }
}

TEST(Encode, EqualsThePlainMergeByScore) {
  std::mt19937 random(12);
  for (int round = 0; round < 25; ++round) {
    const auto& letters = kAlphabets[static_cast<size_t>(round) % kAlphabets.size()];
    TinyTokenizer tiny = random_tokenizer(random, letters, 8 + random() % 60);
    if (round % 3 == 0) tiny.pieces.erase(tiny.pieces.begin()), tiny.scores.erase(tiny.scores.begin());  // one without
    const auto tokenizer = Tokenizer::from_metadata("tiny", tiny.to_metadata("llama"));
    std::map<std::string, double> scores;
    for (size_t i = 0; i < tiny.pieces.size(); ++i) scores[tiny.pieces[i]] = tiny.scores[i];
    for (const size_t length : {3, 30, 63, 64, 65, 200, 700}) {
      const std::string text = random_text(random, letters, length);
      std::vector<std::string> expected;
      for (const std::string& part : plain_encode(text, [&](const std::string& left, const std::string& right) {
             const auto score = scores.find(left + right);
             return score == scores.end() ? kNone : -score->second;
           })) {
        if (scores.contains(part)) {
          expected.push_back(part);
        } else {
          for (const char byte : part) expected.emplace_back(1, byte);
        }
      }
      ASSERT_EQ(spelled(*tokenizer, text), expected) << "round " << round << ": " << text;
    }
  }
}

TEST(Encode, ABorderThatDependsOnFarLettersIsFound) {
  // Ranks fall from left to right, so the last letter decides how all before it pair up: windows must be widened again.
  TinyTokenizer tiny;
  std::vector<std::string> letters;
  for (char32_t point = 0x4e00; point < 0x4e00 + 600; ++point) {
    letters.emplace_back();
    utf8::append(letters.back(), point);
    tiny.pieces.push_back(letters.back());
  }
  for (size_t i = letters.size() - 1; i > 0; --i) {
    tiny.pieces.push_back(letters[i - 1] + letters[i]);
    tiny.merges.emplace_back(letters[i - 1], letters[i]);
  }
  const auto tokenizer = Tokenizer::from_json("tiny", json::serialize(tiny.to_json()));
  for (const size_t count : {599, 600}) {
    std::string text;
    for (size_t i = 0; i < count; ++i) text += letters[i];
    const std::vector<std::string> parts = spelled(*tokenizer, text);
    ASSERT_EQ(parts.size(), (count + 1) / 2);
    EXPECT_EQ(parts.front(), count % 2 == 0 ? letters[0] + letters[1] : letters[0]);
    EXPECT_EQ(parts.back(), letters[count - 2] + letters[count - 1]);
  }
}

TEST(Encode, ALongWordTakesTimeInProportion) {
  const auto tokenizer = Tokenizer::from_json("small", json::serialize(small_tokenizer().to_json()));
  const auto seconds = [&](const std::string& text) {
    double best = 1e9;
    for (int i = 0; i < 3; ++i) {
      const std::clock_t start = std::clock();  // of the processor: other work on the machine does not count
      EXPECT_FALSE(tokenizer->encode(text).empty());
      best = std::min(best, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
    }
    return best;
  };
  const double small = seconds(std::string(20'000, 'a')), large = seconds(std::string(400'000, 'a'));
  EXPECT_LT(large, small * 100) << "20 times the letters; in the square it would be 400 times the time";
}

TEST(Encode, NewlineRunsOfGemma4AreTakenWhole) {
  TinyTokenizer tiny;
  tiny.pieces = {"\n", "\n\n", "\n\n\n", "a", "a\n", "\n\n\n\n"};
  tiny.merges = {{"a", "\n"}, {"\n", "\n"}, {"\n\n", "\n\n"}};
  const auto gguf = Tokenizer::from_metadata("gguf", tiny.to_metadata("gemma4"));
  const auto ids = [&](std::initializer_list<const char*> pieces) {
    std::vector<int32_t> out;
    for (const char* piece : pieces) out.push_back(*gguf->find(piece));
    return out;
  };
  EXPECT_EQ(gguf->encode("a\n\n\na"), ids({"a", "\n\n\n", "a"}));      // whole, though no merge makes it
  EXPECT_EQ(gguf->encode("\n\n\n\n\n\n"), ids({"\n\n\n\n", "\n\n"}));  // by rank: six are no piece
  const auto json = Tokenizer::from_json("json", json::serialize(tiny.to_json()));
  EXPECT_EQ(json->encode("a\n\n\na"), ids({"a\n", "\n\n", "a"}));
}

TEST(Encode, BlankFirstWhereAFileAsksForIt) {
  Metadata keys = small_tokenizer().to_metadata("llama");
  keys.set("tokenizer.ggml.add_space_prefix", true);
  const auto tokenizer = Tokenizer::from_metadata("gguf", keys);
  EXPECT_EQ(spelled(*tokenizer, "world"), (std::vector<std::string>{" world"}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("<bos>world", Specials::control)), "<bos> world");
}

}  // namespace
}  // namespace gemma
