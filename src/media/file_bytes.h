// SPDX-License-Identifier: Apache-2.0
// All bytes of a media file as memory, for decoders written in C: what they read cannot fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "file/model_file.h"

namespace gemma::media {

class FileBytes {
 public:
  /** Maps a file, copies anything else. Fails on none at all and on more than `limit` bytes; `kind` is what is expected
   *  ("a picture"). `source` must outlive it. */
  FileBytes(const ByteSource& source, std::string_view kind, int64_t limit);

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::string& name() const { return source_.name(); }
  /** After the last use of the bytes: fails when the file has changed meanwhile, which may have made zeros of them. */
  void check() const { source_.check(); }

 private:
  const ByteSource& source_;
  std::shared_ptr<Storage> mapped_;
  std::vector<std::byte> copied_;
  std::span<const std::byte> bytes_;
};

/** Letters at a place, as far as the bytes reach: what first bytes are compared by. */
inline std::string_view text_at(std::span<const std::byte> bytes, size_t at, size_t n) {
  if (bytes.size() < at + n) return {};
  return {reinterpret_cast<const char*>(bytes.data()) + at, n};
}

/** "a film (MP4)" and the like, by the first bytes; "none of these" for what is not known either. */
std::string what_it_is(std::span<const std::byte> bytes);

}  // namespace gemma::media
