// SPDX-License-Identifier: Apache-2.0
// --kv: what keys and values are kept as.
#pragma once

#include <string>

#include "tensor/kv_type.h"

namespace gemma::app {

inline constexpr const char* kCacheTypesHelp =
    "Keys and values: f32, bf16, kv8, tq4, tq3 or tq2; KEYS/VALUES apart; ,TYPE after it for layers with a window";

/** The types that `text` names; a usage error of `option` otherwise. */
CacheTypes cache_types(const std::string& option, const std::string& text);

}  // namespace gemma::app
