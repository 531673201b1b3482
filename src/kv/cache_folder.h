// SPDX-License-Identifier: Apache-2.0
// CacheFolder: a folder in which prefixes are kept over restarts, those of several models beside one another, within
// one limit of bytes. One process at a time has it. What people asked can be read from what lies there: everything in
// it is made for its owner alone.
//
//   DIR/lock        held while a process has the folder
//   DIR/secret      the key of its hashes (keyed_hash.h), so that pictures and keys are known again
//   DIR/HEX/        of one fingerprint (prefix_store.h)
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/fingerprint.h"
#include "base/guarded.h"
#include "base/keyed_hash.h"

namespace gemma {

class CacheFolder {
 public:
  using Note = std::function<void(const std::string& line)>;
  /** Makes the folder if need be. Null, and a note, while another process has it; fails when there can be none. */
  static std::shared_ptr<CacheFolder> open(const std::string& path, int64_t limit, Note note);
  CacheFolder(const CacheFolder&) = delete;
  CacheFolder& operator=(const CacheFolder&) = delete;
  ~CacheFolder();

  /** Drawn when there is none yet. */
  HashKey secret();

  // ---- any thread ----
  /** Path of the folder of this fingerprint, which is made if need be and stays until release(); "", and a note, where
   * it is taken already. */
  std::string take(const Fingerprint& fingerprint);
  /** `bytes`: what lies in it now. */
  void release(const Fingerprint& fingerprint, int64_t bytes);
  /** Counts bytes that are about to be written, if the limit allows: for them it removes folders that nobody has taken,
   *  those used longest ago first. */
  bool reserve(int64_t bytes);
  void give_back(int64_t bytes);
  int64_t bytes() const;
  int64_t limit() const { return limit_; }
  void say(const std::string& line) const { note_(path_ + ": " + line); }

 private:
  struct Kept {
    int64_t bytes = 0, written = 0;  // when; a time that rises
    bool taken = false;
  };
  struct Content {
    int64_t bytes = 0;                 // of all
    std::map<std::string, Kept> kept;  // by name
  };
  CacheFolder(std::string path, int lock, int64_t limit, Note note);
  static Content content_of(const std::string& path);

  const std::string path_;
  const int lock_;
  const int64_t limit_;
  const Note note_;
  mutable Guarded<Content> content_;
};

}  // namespace gemma
