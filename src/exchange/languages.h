// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace gemma {

/** The English name of a language by its ISO 639-1 code, in whatever case: "de" is German; "" for what is none. */
std::string_view language_of_code(std::string_view code);

}  // namespace gemma
