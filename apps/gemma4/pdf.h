// SPDX-License-Identifier: Apache-2.0
// Pages of PDFs as pictures, by poppler's programs, which are run confined (media/confine.h).
//
//   const File file = File::open("scan.pdf");
//   const Pdf pdf(file, limits);
//   for (const int page : pages_named(page_ranges("2-5"), file.path(), pdf.pages())) prepare_file(pdf.page(page, 150),
//   options);
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "gemma4/media_options.h"

namespace gemma::app {

/** Whether a file begins as PDFs do, whatever it is called. */
bool is_pdf(const File& file);

class Pdf {
 public:
  /** Asks for its pages. Fails with one line: no PDF that can be read, encrypted, no poppler. `file` outlives this. */
  Pdf(const File& file, const MediaLimits& limits);
  int pages() const { return static_cast<int>(sizes_.size()); }
  /** The resolution at which a page is drawn when `dpi` is asked for: less where it would be too many pixels. */
  int dpi_of(int page, int dpi) const;
  /** A page, from 1 on, as a PNG in memory that is called "scan.pdf, page 3". */
  File page(int number, int dpi) const;

 private:
  /** What was wrong; "" where nothing was. */
  std::string run(const std::vector<std::string>& words, int output) const;

  const File& file_;
  MediaLimits limits_;
  std::vector<std::pair<double, double>> sizes_;  // in points of 1/72 inch
};

/** What "3", "2-5", "7-" or "1,4-6" stands for, as first and last; 0 for the end. Wrong usage of --pages otherwise. */
std::vector<std::pair<int, int>> page_ranges(const std::string& text);
/** Those pages of a file of so many, in the order they are named; all where none is. Fails where one is not there. */
std::vector<int> pages_named(const std::vector<std::pair<int, int>>& ranges, const std::string& file, int pages);

}  // namespace gemma::app
