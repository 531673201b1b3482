// SPDX-License-Identifier: Apache-2.0
// Files that clients have left to speak of later, by their ids. Bounded: what has no room is refused. Whose a file is
// decides who finds it; one that has expired nobody does. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "serve/state_file.h"

namespace gemma::serve {

struct KeptFile {
  std::string id, owner;      // the key's name, "" where there are none
  std::string name, purpose;  // as the client calls it, and what for
  int64_t bytes = 0;
  int64_t created = 0, expires = 0;  // seconds since 1970; 0: it stays
};

class FileStore {
 public:
  FileStore(std::shared_ptr<StateFile> state, int64_t most_bytes);

  /** `file` says whose it is; its bytes are counted here, and its name's. The failure says what has no room, or what
   * the disk said. */
  std::optional<Failure> add(KeptFile file, std::string_view content, int64_t now);
  std::optional<KeptFile> find(std::string_view id, std::string_view owner, int64_t now);
  std::optional<std::string> content(std::string_view id, std::string_view owner, int64_t now);
  /** Whether it was there; the failure says why it still is. */
  Result<bool> remove(std::string_view id, std::string_view owner, int64_t now);
  /** Oldest first; of one purpose, "" for all. */
  std::vector<KeptFile> list(std::string_view owner, std::string_view purpose, int64_t now);

 private:
  void forget_expired(int64_t now);

  const std::shared_ptr<StateFile> state_;
  const int64_t most_bytes_;
};

}  // namespace gemma::serve
