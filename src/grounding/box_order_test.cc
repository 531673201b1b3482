// SPDX-License-Identifier: Apache-2.0
#include "grounding/box_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

#include "grammar/hurry.h"
#include "grammar/walker.h"
#include "grounding/findings.h"

namespace gemma::grounding {
namespace {

constexpr int kEntries = 3;

/** Digits, and pieces that end, begin or span numbers. */
std::shared_ptr<const Tokenizer> pieces_of_boxes() {
  std::vector<std::pair<std::string, Tiny>> pieces{{"<turn|>", Tiny::control}, {"<|image|>", Tiny::control}};
  for (const char* piece : {"\"", "]", "}", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}) {
    pieces.emplace_back(piece, Tiny::normal);
  }
  for (const char* piece : {"[",
                            "[[",
                            "{",
                            ",",
                            ":",
                            "▁",
                            "▁▁",
                            "\\",
                            "\\\"",
                            "],",
                            "]}",
                            "},",
                            "\":",
                            "box_2d",
                            "label",
                            "{\"box_2d\":[",
                            "[999,▁999",
                            "[1000",
                            "[1000,",
                            "[0,0,1000",
                            "99",
                            "100",
                            "1000",
                            "00",
                            "000,",
                            ",5",
                            ",▁10",
                            "5,▁6,▁7,▁8]",
                            "9,9,5,",
                            "1000]",
                            "7]",
                            "0],\"label\":\"",
                            "[9,8,7,6]",
                            "\"},{\"box_2d\":[7,7,7,",
                            "\"},{\"box_2d\":[7,7,8,8]",
                            "]]]["}) {
    pieces.emplace_back(piece, Tiny::normal);
  }
  return tiny_tokenizer(pieces);
}

struct Boxes : Walker {
  Boxes() : Walker{pieces_of_boxes()} {}
  std::shared_ptr<const Grammar> plain = grammar(box_schema(kEntries), Fence::either);
  std::shared_ptr<const Grammar> ordered = with_ordered_boxes(plain, tokenizer, vocab);
};

/** Whether numbers as written, the last one perhaps in part, can be a box that has an area: by trying. */
bool can_be_a_box(const std::vector<std::string>& written, bool last_is_whole) {
  std::vector<int> read;
  for (size_t i = 0; i < written.size(); ++i) {
    const auto fits = [&](int number) {
      const std::string text = std::to_string(number);
      const bool spelt = i + 1 < written.size() || last_is_whole ? text == written[i] : text.starts_with(written[i]);
      return spelt && (i < 2 ? number < 1000 : number > read[i - 2]);
    };
    int number = 0;
    while (number <= 1000 && !fits(number)) ++number;
    if (number > 1000) return false;
    read.push_back(number);
  }
  return true;
}

/** The same of a whole answer. */
bool can_be_boxes(const std::string& answer) {
  constexpr std::string_view kKey = "\"box_2d\"";
  for (size_t at = answer.find(kKey); at != std::string::npos; at = answer.find(kKey, at)) {
    at = answer.find('[', at);
    if (at == std::string::npos) break;
    std::vector<std::string> written(1);
    bool whole = false;
    for (++at; at < answer.size() && answer[at] != ']'; ++at) {
      if (answer[at] == ',') written.emplace_back();
      if (answer[at] >= '0' && answer[at] <= '9') written.back() += answer[at];
      whole = std::isspace(static_cast<unsigned char>(answer[at])) != 0 && !written.back().empty();
    }
    if (!can_be_a_box(written, whole || at < answer.size())) return false;
  }
  return true;
}

TEST(BoxOrder, ForbidsWhatCannotBecomeABoxAndNothingElse) {
  const Boxes boxes;
  int forbidden = 0;
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    const auto plain = boxes.plain->mask(), ordered = boxes.ordered->mask();
    std::string text;
    for (int i = 0; i < 60 && !ordered->finished(); ++i) {
      const std::vector<int32_t> free = boxes.allowed(*plain), held = boxes.allowed(*ordered);
      ASSERT_FALSE(held.empty()) << text;
      for (const int32_t id : free) {
        const bool right = can_be_boxes(text + boxes.tokenizer->bytes(id));
        ASSERT_EQ(right, std::binary_search(held.begin(), held.end(), id))
            << text << " + " << boxes.tokenizer->piece(id);
        if (right) continue;
        ++forbidden;
        ASSERT_FALSE(ordered->accept(id)) << text;
      }
      const int32_t id = held[random() % held.size()];
      ASSERT_TRUE(plain->accept(id) && ordered->accept(id));
      text += boxes.tokenizer->bytes(id);
    }
  }
  EXPECT_GT(forbidden, 1000);
}

TEST(BoxOrder, EveryAnswerHoldsBoxesWithAnArea) {
  const Boxes boxes;
  const auto ends = std::make_shared<const JsonEnds>(*boxes.tokenizer, boxes.vocab, std::vector<int32_t>{kStop});
  size_t found = 0, invalid = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    for (const bool held : {true, false}) {
      std::mt19937 random(seed);
      Hurry mask(held ? boxes.ordered->mask() : boxes.plain->mask(), 60, ends);
      const std::string text = boxes.walk(mask, random, 4000);
      const auto read = read_findings(text.substr(0, text.find("<turn|>")));
      ASSERT_TRUE(read) << text;
      if (!held) {
        invalid += read.value().notes.size();
        continue;
      }
      EXPECT_TRUE(read.value().notes.empty()) << text << ": " << read.value().notes.front();
      found += read.value().found.size();
    }
  }
  EXPECT_GT(found, 100u);
  EXPECT_GT(invalid, 100u) << "without the order there are wrong ones";
}

TEST(BoxOrder, IsUndoneTokenByToken) {
  const Boxes boxes;
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    const auto mask = boxes.ordered->mask();
    std::vector<std::vector<int32_t>> allowed;  // before each token
    std::vector<int32_t> taken;
    for (int i = 0; i < 80 && !mask->finished(); ++i) {
      allowed.push_back(boxes.allowed(*mask));
      taken.push_back(allowed.back()[random() % allowed.back().size()]);
      ASSERT_TRUE(mask->accept(taken.back()));
      const size_t back = random() % (taken.size() + 1);
      mask->rollback(static_cast<int>(back));
      for (size_t again = taken.size() - back; again < taken.size(); ++again) {
        ASSERT_EQ(allowed[again], boxes.allowed(*mask));
        ASSERT_TRUE(mask->accept(taken[again]));
      }
    }
  }
}

}  // namespace
}  // namespace gemma::grounding
