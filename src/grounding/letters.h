// SPDX-License-Identifier: Apache-2.0
// Labels as text that is shown.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gemma::grounding {

/** Columns of a terminal: two for the wide characters of East Asia and for emoji. */
size_t columns(std::string_view text);
/** Blanks for control characters, and what is no UTF-8 replaced. */
std::string one_line(std::string_view text);
/** At most so many columns, with an ellipsis where something is cut. */
std::string shortened(std::string_view text, size_t most);

}  // namespace gemma::grounding
