// SPDX-License-Identifier: Apache-2.0
// A model's repository on a hub: what files it has, and their way here (api/models/OWNER/NAME/revision/REVISION and
// OWNER/NAME/resolve/COMMIT/FILE, the protocol of the Hugging Face hub).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "hub/http_client.h"
#include "hub/hub_cache.h"
#include "hub/hub_name.h"
#include "hub/partial_blob.h"

namespace gemma::hub {

/** Where models come from, and who asks. */
struct Endpoint {
  std::string url = "https://huggingface.co";
  std::string token;
  /** HF_ENDPOINT, and HF_TOKEN, else the file that HF_TOKEN_PATH or HF_HOME say. */
  static Endpoint of_environment();
};

struct RemoteFile {
  std::string name;
  std::string hash;  // SHA-256, or git's where it has 40 digits
  int64_t bytes = 0;
};

struct Listing {
  std::string commit;
  std::vector<RemoteFile> files;
  std::vector<std::string> names() const;
  const RemoteFile& of(const std::string& name) const;  // which is there
};

/** What the hub says of a repository, checked: names stay in their folder, hashes are hashes. */
Result<Listing> parse_listing(const HubName& name, std::string_view json);

class Repository {
 public:
  /** `go_on` is asked some times a second. */
  Repository(HubName name, Endpoint endpoint, HubCache cache, std::function<bool()> go_on);

  /** Fails with what the hub says: no such repository, not allowed. nullopt: go_on said no. */
  std::optional<Listing> list();
  /** Fetches what is not here yet, going on where an earlier attempt ended; tries again where the line breaks.
   * `progress` gets the bytes that have come (or were there). False: go_on said no; what has come stays. */
  bool fetch(const Listing& listing, const RemoteFile& file, const std::function<void(int64_t)>& progress);
  /** Bytes that fetch() will ask for. */
  int64_t missing_bytes(const RemoteFile& file) const;

 private:
  bool complete(const std::string& url, const RemoteFile& file, PartialBlob& partial,
                const std::function<void(int64_t)>& progress);
  void check(const RemoteFile& file, PartialBlob& partial) const;
  [[noreturn]] void refuse(const HttpReply& reply, std::string_view what) const;
  void rest(int attempt) const;

  const HubName name_;
  const Endpoint endpoint_;
  const HubCache cache_;
  const std::function<bool()> go_on_;
  HttpClient client_;
};

}  // namespace gemma::hub
