// SPDX-License-Identifier: Apache-2.0
// A page that a model wrote, as chromium shows it, beside the picture it was made from.
#pragma once

#include <string>
#include <string_view>

namespace gemma::app {

/** A picture in a format that browsers show. */
struct ShownPicture {
  std::string_view type;  // "image/png"
  std::string_view bytes;
  int width = 0, height = 0;  // as it is seen
};

/** Chromium's path; fails when it is not installed. */
std::string find_browser();

/** "image/png" and the like for a format as media calls it ("PNG"); "" where browsers do not show it. */
std::string_view type_of_picture(std::string_view format);

/** A document with the picture on the left and the page on the right, both `width` x `height`. Nothing of the page
 *  runs, and it reaches no file and no address: it is in a frame without rights, under a policy without sources. */
std::string beside(const ShownPicture& picture, std::string_view page, int width, int height);

/** Writes a PNG of that. The page is as wide as the picture, within what a window is. Fails with one line when chromium
 *  is not there, crashes or takes too long. */
void draw_beside(const std::string& path, const ShownPicture& picture, std::string_view page);

}  // namespace gemma::app
