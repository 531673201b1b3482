// SPDX-License-Identifier: Apache-2.0
#include "base/fingerprint.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/file.h"
#include "base/keyed_hash.h"

namespace gemma {

Fingerprint Fingerprint::of(std::span<const std::byte> bytes) {
  return {{keyed_hash(bytes, {1, 0}), keyed_hash(bytes, {2, 0})}};
}

Fingerprint Fingerprint::of(std::string_view text) { return of(std::as_bytes(std::span(text))); }

std::string Fingerprint::hex() const { return fmt::format("{:016x}{:016x}", words[0], words[1]); }

Fingerprint fingerprint_of_file(const std::string& path) {
  constexpr int64_t kBlock = 1 << 20;
  const File file = File::open(path);
  std::vector<std::byte> block(kBlock);
  std::vector<Fingerprint> parts;
  for (int64_t place = 0; place < file.size(); place += kBlock) {
    const std::span part = std::span(block).first(static_cast<size_t>(std::min(kBlock, file.size() - place)));
    file.read(place, part);
    parts.push_back(Fingerprint::of(part));
  }
  return Fingerprint::of(std::as_bytes(std::span(parts)));
}

}  // namespace gemma
