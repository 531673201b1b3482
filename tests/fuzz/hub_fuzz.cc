// SPDX-License-Identifier: Apache-2.0
// What a hub says: the first line is a name as people type it, the rest a repository's list of files. Whatever they
// are, files stay in their folder, and what is chosen is among what there is.
//
// Links: hub
#include <algorithm>

#include "base/error.h"
#include "fuzz/fuzz.h"
#include "hub/hub_cache.h"
#include "hub/repository.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace hub = gemma::hub;
  return gemma::fuzz::refuses_or_reads([&] {
    const std::string_view text = gemma::fuzz::text(data, size);
    const size_t line = std::min(text.find('\n'), text.size());
    const auto name = hub::parse_hub_name(text.substr(0, line));
    if (!name) return;
    if (hub::parse_hub_name(name->text())->text() != name->text()) __builtin_trap();
    const hub::HubCache cache("/cache");
    if (cache.folder(*name).lexically_normal().parent_path() != "/cache") __builtin_trap();
    const auto listing = hub::parse_listing(*name, text.substr(std::min(line + 1, text.size())));
    if (!listing) return;
    for (const hub::RemoteFile& file : listing.value().files) {
      const auto place = (cache.folder(*name) / file.name).lexically_normal().string();
      if (!place.starts_with(cache.folder(*name).string() + "/")) __builtin_trap();
      if (cache.blob(*name, file.hash).lexically_normal().filename() != file.hash) __builtin_trap();
    }
    const auto all = listing.value().names();
    const auto files = hub::files_of(*name, all);
    if (!files) return;
    if (files.value().empty()) __builtin_trap();
    for (const std::string& file : files.value()) listing.value().of(file);
  });
}
