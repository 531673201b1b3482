// SPDX-License-Identifier: Apache-2.0
// A blob on its way: what is there of it, which grows at its end, and nobody else's while this lives.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace gemma::hub {

class PartialBlob {
 public:
  /** Of `blob`, in "blob.incomplete". Fails where another process holds the lock. */
  PartialBlob(std::filesystem::path blob, const std::filesystem::path& lock);
  ~PartialBlob();
  PartialBlob(const PartialBlob&) = delete;
  PartialBlob& operator=(const PartialBlob&) = delete;

  std::string path() const { return path_.string(); }
  int64_t size() const { return size_; }
  /** Bytes from place `begin` on, at most size(); what was behind goes. False: error() says why not. */
  bool write(int64_t begin, std::span<const std::byte> bytes);
  const std::string& error() const { return error_; }
  /** It is whole: called `blob` from now on. */
  void commit();
  /** It is worth nothing: gone. */
  void discard();

 private:
  const std::filesystem::path blob_, path_;
  int lock_ = -1, fd_ = -1;
  int64_t size_ = 0;
  std::string error_;
};

}  // namespace gemma::hub
