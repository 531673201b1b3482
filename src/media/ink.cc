// SPDX-License-Identifier: Apache-2.0
#include "media/ink.h"

#include <algorithm>
#include <numeric>

namespace gemma::media {
namespace {

constexpr int kTile = 8;       // pixels of a side; contrast is that of a tile and those around it
constexpr int kContrast = 40;  // of 255: less is paper

/** Brightness that parts ink from paper, for each tile; -1 where there is no contrast. */
struct Thresholds {
  int columns = 0, rows = 0;
  std::vector<int> values;

  const int* row_of(int y) const { return values.data() + int64_t{std::min(y / kTile, rows - 1)} * columns; }
};

struct Range {
  uint8_t least = 255, most = 0;

  void take(const Range& other) {
    least = std::min(least, other.least);
    most = std::max(most, other.most);
  }
};

std::vector<Range> ranges_of_tiles(const Grey& grey, int columns, int rows) {
  std::vector<Range> tiles(static_cast<size_t>(columns) * static_cast<size_t>(rows));
  for (int y = 0; y < grey.height; ++y) {
    const uint8_t* line = grey.row(y);
    Range* row = tiles.data() + int64_t{y / kTile} * columns;
    for (int x = 0; x < grey.width; ++x) row[x / kTile].take({line[x], line[x]});
  }
  return tiles;
}

Thresholds thresholds_of(const Grey& grey) {
  Thresholds out{(grey.width + kTile - 1) / kTile, (grey.height + kTile - 1) / kTile, {}};
  const std::vector<Range> tiles = ranges_of_tiles(grey, out.columns, out.rows);
  out.values.reserve(tiles.size());
  for (int row = 0; row < out.rows; ++row) {
    for (int column = 0; column < out.columns; ++column) {
      Range around;
      for (int r = std::max(row - 1, 0); r <= std::min(row + 1, out.rows - 1); ++r) {
        for (int c = std::max(column - 1, 0); c <= std::min(column + 1, out.columns - 1); ++c) {
          around.take(tiles[static_cast<size_t>(r) * static_cast<size_t>(out.columns) + static_cast<size_t>(c)]);
        }
      }
      const bool flat = around.most - around.least < kContrast;
      out.values.push_back(flat ? -1 : (around.least + around.most) / 2);
    }
  }
  return out;
}

/** A stretch of ink in a row, and the piece that it is of. */
struct Stretch {
  int begin = 0, end = 0;
  int piece = 0;
};

/** Pieces as they grow, row by row. Two that turn out to be one have one root. */
class Pieces {
 public:
  int add(int y, const Stretch& s) {
    pieces_.push_back({s.begin, y, s.end, y + 1, s.end - s.begin, 1});
    parents_.push_back(static_cast<int>(parents_.size()));
    return parents_.back();
  }
  void grow(int piece, int y, const Stretch& s) {
    join(at(root(piece)), {s.begin, y, s.end, y + 1, s.end - s.begin, 1});
  }
  int root(int piece) {
    while (parent(piece) != piece) piece = parent(piece) = parent(parent(piece));
    return piece;
  }
  int unite(int a, int b) {
    a = root(a), b = root(b);
    if (a == b) return a;
    join(at(a), at(b));
    return parent(b) = a;
  }
  std::vector<Piece> of_height(int least, int most) {
    std::vector<Piece> out;
    for (int i = 0; i < static_cast<int>(pieces_.size()); ++i) {
      if (parent(i) == i && at(i).height() >= least && at(i).height() <= most) out.push_back(at(i));
    }
    return out;
  }

 private:
  static void join(Piece& a, const Piece& b) {
    a.left = std::min(a.left, b.left);
    a.top = std::min(a.top, b.top);
    a.right = std::max(a.right, b.right);
    a.bottom = std::max(a.bottom, b.bottom);
    a.pixels += b.pixels;
    a.stretches += b.stretches;
  }
  Piece& at(int i) { return pieces_[static_cast<size_t>(i)]; }
  int& parent(int i) { return parents_[static_cast<size_t>(i)]; }

  std::vector<Piece> pieces_;
  std::vector<int> parents_;
};

void find_stretches(const Grey& grey, const Thresholds& thresholds, Ink ink, int y, std::vector<Stretch>& out) {
  out.clear();
  const uint8_t* line = grey.row(y);
  const int* limits = thresholds.row_of(y);
  bool inside = false;
  for (int x = 0; x < grey.width; ++x) {
    const int limit = limits[x / kTile];
    const bool is_ink = limit >= 0 && (ink == Ink::dark ? line[x] <= limit : line[x] > limit);
    if (is_ink && !inside) out.push_back({x, x, -1});
    if (is_ink) out.back().end = x + 1;
    inside = is_ink;
  }
}

}  // namespace

Grey grey_of(const Pixels& pixels, int shrink) {
  Grey out{pixels.width / shrink, pixels.height / shrink, {}};
  out.values.reserve(static_cast<size_t>(out.width) * static_cast<size_t>(out.height));
  const int64_t stride = int64_t{pixels.width} * 3;
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) {
      int sum = 0;
      for (int line = 0; line < shrink; ++line) {
        const uint8_t* rgb = pixels.rgb.data() + (int64_t{y} * shrink + line) * stride + int64_t{x} * shrink * 3;
        for (int i = 0; i < shrink; ++i, rgb += 3) sum += 77 * rgb[0] + 150 * rgb[1] + 29 * rgb[2];
      }
      out.values.push_back(static_cast<uint8_t>(sum / (shrink * shrink) >> 8));
    }
  }
  return out;
}

Grey halved(const Grey& grey) {
  Grey out{grey.width / 2, grey.height / 2, {}};
  out.values.reserve(static_cast<size_t>(out.width) * static_cast<size_t>(out.height));
  for (int y = 0; y < out.height; ++y) {
    const uint8_t *a = grey.row(2 * y), *b = grey.row(2 * y + 1);
    for (int x = 0; x < 2 * out.width; x += 2) {
      out.values.push_back(static_cast<uint8_t>((a[x] + a[x + 1] + b[x] + b[x + 1] + 2) / 4));
    }
  }
  return out;
}

std::vector<Piece> pieces_of(const Grey& grey, Ink ink, int least, int most) {
  const Thresholds thresholds = thresholds_of(grey);
  Pieces pieces;
  std::vector<Stretch> above, here;
  for (int y = 0; y < grey.height; ++y) {
    std::swap(above, here);
    find_stretches(grey, thresholds, ink, y, here);
    size_t first = 0;  // of the row above that may touch
    for (Stretch& s : here) {
      while (first < above.size() && above[first].end < s.begin) ++first;
      for (size_t i = first; i < above.size() && above[i].begin <= s.end; ++i) {
        s.piece = s.piece < 0 ? pieces.root(above[i].piece) : pieces.unite(s.piece, above[i].piece);
      }
      if (s.piece < 0) {
        s.piece = pieces.add(y, s);
      } else {
        pieces.grow(s.piece, y, s);
      }
    }
  }
  return pieces.of_height(least, most);
}

}  // namespace gemma::media
