// SPDX-License-Identifier: Apache-2.0
// Lower and upper case of Unicode text, as the templates' sorting of keys and printing of types needs them.
#pragma once

#include <string>
#include <string_view>

namespace gemma {

/** As Python's str.lower (Unicode 14). Of the rule for a final sigma only its core: it follows a letter and none
 *  comes after it. Ill-formed bytes stay. */
std::string lower_case(std::string_view text);

/** As Python's str.upper for letters whose capital is one character that goes back to them, and for the sharp s.
 *  Names of types are all that is ever capitalised. Ill-formed bytes stay. */
std::string upper_case(std::string_view text);

}  // namespace gemma
