// SPDX-License-Identifier: Apache-2.0
// What a media worker says of a file, read with care: the worker looked at what strangers made and may have been taken
// over, so that no key is sure to be there, and no value to be of its kind. Whatever is not fails with one line.
//
//   const Facts facts(media.name, media.facts);
//   for (const Facts& clip : facts.list("clips")) use(clip.seconds("begin"), clip.flag("silent"));
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace gemma {

class Facts {
 public:
  /** `where` is what messages begin with, the file's name; it and `facts` outlive this. */
  Facts(std::string_view where, const json::object& facts) : where_(where), facts_(facts) {}

  /** Whether it is there, and not null. */
  bool has(std::string_view key) const;

  double number(std::string_view key) const;  // finite
  int64_t integer(std::string_view key, int64_t least, int64_t most) const;
  int64_t count(std::string_view key) const;   // of pixels, tokens, frames: from 0 to 10^12
  double seconds(std::string_view key) const;  // from 0 to 10^9
  bool flag(std::string_view key) const;
  std::string_view text(std::string_view key) const;  // one short line, fit to be printed
  Facts part(std::string_view key) const;
  std::vector<Facts> list(std::string_view key) const;  // of objects

  /** Fails: they make no sense. */
  [[noreturn]] void refuse(std::string_view key, std::string_view expected) const;

 private:
  const json::value& at(std::string_view key, std::string_view expected) const;

  std::string_view where_;
  const json::object& facts_;
};

}  // namespace gemma
