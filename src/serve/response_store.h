// SPDX-License-Identifier: Apache-2.0
// Responses that are kept, with what was asked, so that others can go on from them. Bounded: the oldest go of whoever
// has most, but for those that are on their way. Whose a response is decides who finds it. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "serve/state_file.h"

namespace gemma::serve {

struct StoredResponse {
  std::string id, owner;  // the key's name, "" where there are none
  std::string previous;   // the response that it goes on from, or ""
  json::array input;      // this request's own items
  json::object response;  // with "status" and "output"
};

class ResponseStore {
 public:
  ResponseStore(std::shared_ptr<StateFile> state, int64_t most_bytes);

  /** Adds it, or puts it in the place of an older one of the same id; the failure says what the disk said, and
   *  the older one is still there. */
  std::optional<Failure> put(const StoredResponse& response);
  std::optional<StoredResponse> find(std::string_view id, std::string_view owner);
  /** Whether it was there. */
  Result<bool> remove(std::string_view id, std::string_view owner);
  /** All items up to a response, its own output included, oldest first. The failure names no field. It is one where
   *  they have more than `most_bytes`, or more values than a request may have. */
  Result<json::array> items_up_to(std::string_view id, std::string_view owner, int64_t most_bytes);

  int64_t bytes();

 private:
  /** What is known of the rows without reading them. */
  struct Held {
    std::map<std::string, int64_t, std::less<>> bytes;  // of each owner
    std::set<std::string, std::less<>> on_their_way;
    int64_t total() const;
  };
  std::optional<StoredResponse> found(std::string_view id, std::string_view owner) const;
  bool forget(std::string_view id);
  /** Whether there is room for so much of this owner's, once others have gone. */
  bool make_room(const std::string& owner, int64_t bytes);

  const std::shared_ptr<StateFile> state_;
  const int64_t most_bytes_;
  Held held_;  // under the state's lock
};

}  // namespace gemma::serve
