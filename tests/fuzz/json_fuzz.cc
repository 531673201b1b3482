// SPDX-License-Identifier: Apache-2.0
// JSON of any kind: what is accepted can be written, and what is written can be read again.
// Links: base
#include "base/json.h"

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gemma::fuzz::refuses_or_reads([&] {
    const auto value = gemma::parse_json(gemma::fuzz::text(data, size));
    if (value && !gemma::parse_json(gemma::write_json(value.value()))) __builtin_trap();
  });
}
