// SPDX-License-Identifier: Apache-2.0
#include "gemma4/cache_types.h"

#include "base/error.h"

namespace gemma::app {

CacheTypes cache_types(const std::string& option, const std::string& text) {
  const std::optional<CacheTypes> types = cache_types_named(text);
  if (!types) {
    fail_usage(option, "expected one of {}, or two for keys and values as in tq3/tq4, found '{}'", kv_type_names(),
               text);
  }
  return *types;
}

}  // namespace gemma::app
