// SPDX-License-Identifier: Apache-2.0
// A walk over UTF-8: strict (no overlong forms, surrogates, or values beyond U+10FFFF).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gemma::utf8 {

/** Bytes of the well-formed character at the start of `text`, 1 to 4; 0 when there is none. */
int length(std::string_view text);
/** The code point of the well-formed character that starts `text` (length(text) > 0). */
char32_t decode(std::string_view text);
void append(std::string& out, char32_t code_point);
bool valid(std::string_view text);
/** Offset of the first byte that is not part of a well-formed character, or text.size(). */
size_t first_invalid(std::string_view text);
/** Whether `text` could still become well-formed: empty, or a proper prefix of one character. */
bool incomplete(std::string_view text);
/** Every byte of an ill-formed stretch becomes U+FFFD. */
std::string replace_invalid(std::string_view text);

}  // namespace gemma::utf8
