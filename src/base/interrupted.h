// SPDX-License-Identifier: Apache-2.0
// An error that is none: somebody pressed Ctrl-C while a file was read. Exit status 130.
#pragma once

#include <string_view>

#include "base/error.h"

namespace gemma {

class Interrupted : public Error {
 public:
  using Error::Error;
};

/** Throws Interrupted("where: interrupted"). */
[[noreturn]] void fail_interrupted(std::string_view where);

}  // namespace gemma
