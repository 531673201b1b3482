// SPDX-License-Identifier: Apache-2.0
#include "media/text_height.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>

#include "media/ink.h"

namespace gemma::media {
namespace {

// Pixels of a picture that is searched; of a larger one blocks become one pixel. The largest budget has 2.6 million.
constexpr int64_t kSearched = 6'000'000;
constexpr int kScales = 4;             // each half of the one before, for letters of more and more pixels
constexpr int kLeast = 4, kMost = 32;  // pixels of a letter's height at its scale
constexpr int kLeastLetters = 5;       // of a line
constexpr int kLeastText = 12;         // letters of a picture with text
constexpr int kSureLetters = 8;        // of its longest line
constexpr double kWidest = 10;         // of letters that touch, by their height
constexpr double kGap = 1.5;           // between words, by the height of the letters beside it
constexpr double kUnlike = 2.4;        // heights of two letters of a line, by one another
// The height of a font, from the top of tall letters to the bottom of deep ones, by what a line shows of it where it
// has no deep ones, no tall ones, or neither.
constexpr double kWithoutDeep = 1.31, kWithoutTall = 1.27, kWithoutBoth = 1.82;

struct Line {
  std::vector<Piece> letters;  // from left to right
  double height = 0, other_height = 0;
};

bool may_be_letter(const Piece& p) {
  const double fill = static_cast<double>(p.pixels) / (static_cast<double>(p.width()) * p.height());
  const double stroke = static_cast<double>(p.pixels) / p.stretches / p.height();
  return p.width() <= kWidest * p.height() && fill > 0.12 && (fill < 0.9 || p.width() * 3 < p.height()) &&
         stroke < (p.width() > 2 * p.height() ? 1.0 : 0.8);
}

bool may_be_beside(const Piece& a, const Piece& b) {
  const int low = std::min(a.height(), b.height()), high = std::max(a.height(), b.height());
  const int shared = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  return high <= kUnlike * low && 2 * shared >= low && b.left - a.right <= kGap * high;
}

/** Letters, each joined to the nearest one on its right that may be beside it. */
class Rows {
 public:
  explicit Rows(std::vector<Piece> letters) : letters_(std::move(letters)), next_(letters_.size(), -1) {
    std::sort(letters_.begin(), letters_.end(), [](const Piece& a, const Piece& b) { return a.left < b.left; });
    bands_.resize(1);
    for (int i = 0; i < size(); ++i) {
      const auto band = static_cast<size_t>(middle(at(i)) / kMost);
      if (band >= bands_.size()) bands_.resize(band + 1);
      bands_[band].push_back(i);
    }
    std::vector<bool> follows(letters_.size());
    for (int i = 0; i < size(); ++i) {
      const int right = nearest(i);
      if (right < 0 || follows[static_cast<size_t>(right)]) continue;
      next_[static_cast<size_t>(i)] = right;
      follows[static_cast<size_t>(right)] = true;
    }
    for (int i = 0; i < size(); ++i) {
      if (!follows[static_cast<size_t>(i)]) take(i);
    }
  }
  std::vector<Line>& lines() { return lines_; }

 private:
  static int middle(const Piece& p) { return (p.top + p.bottom) / 2; }
  int size() const { return static_cast<int>(letters_.size()); }
  const Piece& at(int i) const { return letters_[static_cast<size_t>(i)]; }

  int nearest(int i) const {
    const Piece& a = at(i);
    int best = -1;
    const int band = middle(a) / kMost;
    for (int b = std::max(band - 1, 0); b <= std::min<int>(band + 1, static_cast<int>(bands_.size()) - 1); ++b) {
      const std::vector<int>& candidates = bands_[static_cast<size_t>(b)];
      // Within a letter there may be others (the hole of an o); its right neighbour begins behind its middle.
      const int from = (a.left + a.right) / 2;
      auto j = std::lower_bound(candidates.begin(), candidates.end(), from,
                                [&](int index, int x) { return at(index).left < x; });
      for (; j != candidates.end() && at(*j).left <= a.right + kGap * kMost; ++j) {
        if (best >= 0 && at(*j).left >= at(best).left) break;
        if (*j != i && may_be_beside(a, at(*j))) best = *j;
      }
    }
    return best;
  }
  void take(int i) {
    Line line;
    for (; i >= 0; i = next_[static_cast<size_t>(i)]) line.letters.push_back(at(i));
    if (std::ssize(line.letters) >= kLeastLetters) lines_.push_back(std::move(line));
  }

  std::vector<Piece> letters_;
  std::vector<std::vector<int>> bands_;  // indices of letters by their height on the page, from left to right
  std::vector<int> next_;
  std::vector<Line> lines_;
};

/** The value that `share` of the values are below. */
double quantile(std::vector<double> values, double share) {
  const auto at = static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

/** How the bottoms of letters rise or fall from left to right: the middle one of the slopes between far pairs. */
double slope_of(const std::vector<Piece>& letters) {
  std::vector<double> slopes;
  const size_t half = letters.size() / 2;
  for (size_t i = 0; i + half < letters.size(); ++i) {
    const Piece &a = letters[i], &b = letters[i + half];
    if (b.left > a.left) slopes.push_back(static_cast<double>(b.bottom - a.bottom) / (b.left - a.left));
  }
  return slopes.empty() ? 0 : quantile(std::move(slopes), 0.5);
}

/** How many of the values lie within `slack` of `at`. */
double share_near(const std::vector<double>& values, double at, double slack) {
  const auto near = std::count_if(values.begin(), values.end(), [&](double v) { return std::fabs(v - at) <= slack; });
  return static_cast<double>(near) / static_cast<double>(values.size());
}

/** Sets the height of a line, from the top of tall letters to the bottom of deep ones; false where it is no text. */
bool measure(Line& line) {
  const double slope = slope_of(line.letters);
  std::vector<double> tops, bottoms, heights, widths, strokes;
  for (const Piece& p : line.letters) {
    const double fall = slope * (p.left - line.letters.front().left);
    tops.push_back(p.top - fall);
    bottoms.push_back(p.bottom - fall);
    heights.push_back(p.height());
    widths.push_back(p.width());
    strokes.push_back(static_cast<double>(p.pixels) / p.stretches);
  }
  const double usual = quantile(heights, 0.5), base = quantile(bottoms, 0.5);
  const double slack = std::max(1.0, 0.12 * usual);
  // Letters stand on a line; and rise to one of two heights, or nearly so.
  if (share_near(bottoms, base, slack) < 0.55 || std::fabs(slope) > 0.1) return false;
  const double top = quantile(tops, 0.04), low = quantile(bottoms, 0.97);
  const double x_top = quantile(tops, 0.6);
  if (share_near(tops, top, slack) + share_near(tops, x_top, slack) * (x_top > top + slack ? 1 : 0) < 0.6) return false;
  // A wall of bricks or windows has pieces of one width; letters have many.
  const double narrow = quantile(widths, 0.2), wide = quantile(widths, 0.8);
  if (wide - narrow < 0.15 * wide) return false;
  const double stroke = quantile(strokes, 0.5);
  if (quantile(strokes, 0.85) > 3.2 * stroke) return false;
  const bool deep = low > base + std::max(1.0, 0.15 * (base - top)), tall = x_top > top + slack;
  line.height = (low - top) * (deep ? 1 : kWithoutDeep) * (deep && !tall ? kWithoutTall : 1);
  line.other_height = deep || tall ? line.height : kWithoutBoth * (base - top);
  return true;
}

void search(const Grey& grey, double scale, std::vector<TextLine>& out) {
  for (const Ink ink : {Ink::dark, Ink::light}) {
    std::vector<Piece> letters = pieces_of(grey, ink, kLeast, kMost);
    std::erase_if(letters, [](const Piece& p) { return !may_be_letter(p); });
    Rows rows(std::move(letters));
    for (Line& line : rows.lines()) {
      if (!measure(line)) continue;
      TextLine found{
          1e9, 1e9, 0, 0, line.height * scale, line.other_height * scale, static_cast<int>(line.letters.size())};
      for (const Piece& p : line.letters) {
        found.left = std::min(found.left, p.left * scale);
        found.top = std::min(found.top, p.top * scale);
        found.right = std::max(found.right, p.right * scale);
        found.bottom = std::max(found.bottom, p.bottom * scale);
      }
      out.push_back(found);
    }
  }
}

double area(const TextLine& a) { return (a.right - a.left) * (a.bottom - a.top); }

bool overlap(const TextLine& a, const TextLine& b) {
  const double wide = std::min(a.right, b.right) - std::max(a.left, b.left);
  const double high = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  return wide > 0 && high > 0 && 2 * wide * high > std::min(area(a), area(b));
}

/** Of lines in one place the one with most letters: others are their holes, words that have run together, or what was
 *  cut off by the limits of a scale. */
std::vector<TextLine> without_doubles(std::vector<TextLine> lines) {
  std::sort(lines.begin(), lines.end(), [](const TextLine& a, const TextLine& b) {
    return std::pair(a.letters, a.height) > std::pair(b.letters, b.height);
  });
  std::vector<TextLine> kept;
  for (const TextLine& line : lines) {
    if (std::none_of(kept.begin(), kept.end(), [&](const TextLine& k) { return overlap(k, line); })) {
      kept.push_back(line);
    }
  }
  return kept;
}

/** A line of letters of one height may be capitals, figures, or small letters that happen to be neither tall nor deep:
 *  the latter where other lines have the height that this makes. */
void settle_heights(std::vector<TextLine>& lines) {
  std::vector<double> sure;
  for (const TextLine& line : lines) {
    if (line.other_height == line.height) sure.push_back(line.height);
  }
  for (TextLine& line : lines) {
    const auto like = [&](double h) { return std::fabs(h - line.other_height) < 0.12 * h; };
    if (line.other_height != line.height && std::any_of(sure.begin(), sure.end(), like))
      line.height = line.other_height;
  }
}

}  // namespace

std::vector<TextLine> find_text(const Pixels& pixels) {
  int shrink = 1;
  while (int64_t{pixels.width / shrink} * (pixels.height / shrink) > kSearched) ++shrink;
  std::vector<TextLine> lines;
  Grey grey = grey_of(pixels, shrink);
  for (int i = 0; i < kScales && std::min(grey.width, grey.height) >= 2 * kLeast; ++i, grey = halved(grey)) {
    search(grey, static_cast<double>(shrink << i), lines);
  }
  lines = without_doubles(std::move(lines));
  settle_heights(lines);
  return lines;
}

std::optional<double> text_height(const std::vector<TextLine>& lines) {
  std::vector<std::pair<double, int>> heights;
  int letters = 0, longest = 0;
  for (const TextLine& line : lines) {
    heights.emplace_back(line.height, line.letters);
    letters += line.letters;
    longest = std::max(longest, line.letters);
  }
  if (letters < kLeastText || longest < kSureLetters) return std::nullopt;
  std::sort(heights.begin(), heights.end());
  int below = 0;
  for (const auto& [height, count] : heights) {
    below += count;
    if (20 * below > letters) return height;
  }
  return heights.back().first;
}

ChosenBudget choose_budget(const Pixels& pixels, const Grid& grid) {
  ChosenBudget out;
  out.text = text_height(find_text(pixels));
  if (!out.text) return out;
  for (const int budget : kImageBudgets) {
    const Result<TargetSize> size = target_size(pixels.width, pixels.height, budget, grid);
    if (!size) continue;
    out.budget = budget;
    out.resized = *out.text * size.value().height / pixels.height;
    if (out.resized >= kLegibleHeight) break;
  }
  return out;
}

}  // namespace gemma::media
