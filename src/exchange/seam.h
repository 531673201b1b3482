// SPDX-License-Identifier: Apache-2.0
// Texts of pieces of speech put together: words that both pieces heard stand once.
//
//   Seam seam = seam_of("we went to the sta", "to the station by", true);   // keep "we went ", skip nothing
//   joined("we went to the sta", "to the station by", seam);                 // "we went to the station by"
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gemma {

/** A word, or a character of a script that writes none (Chinese, Japanese, Thai). */
struct Word {
  size_t begin = 0, end = 0;  // bytes of the text; up to the next word's begin there are blanks only
  std::string key;            // lower case, without punctuation; words are the same when their keys are
  int width = 0;              // columns, punctuation included
};
/** Punctuation that stands alone belongs to the word before it. */
std::vector<Word> words_of(std::string_view text);

struct Seam {
  size_t keep = 0;  // bytes of the first text
  size_t skip = 0;  // bytes of the second that are left out
};

/** Where the second text goes on. overlaps: both heard the last second of the first, in which words may be cut at
 *  either end. Otherwise only what is repeated at some length (four words) is taken for a repetition. */
Seam seam_of(std::string_view first, std::string_view second, bool overlaps);
std::string joined(std::string_view first, std::string_view second, const Seam& seam);

/** The last words of a text. */
std::string_view tail_of(std::string_view text, size_t words);

}  // namespace gemma
