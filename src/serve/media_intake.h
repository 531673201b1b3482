// SPDX-License-Identifier: Apache-2.0
// How pictures, sound and film of requests come in: fetched where they are named by address, decoded in a process of
// their own, made what the model takes. It waits for all of that, so on threads that may wait.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "media/worker.h"
#include "serve/ask.h"
#include "serve/decoded_media.h"
#include "serve/fetch/fetcher.h"
#include "serve/served_model.h"

namespace gemma::serve {

struct MediaIntakeOptions {
  std::optional<FetchOptions> fetch;   // nothing: addresses are refused
  int64_t fetched_bytes = 64'000'000;  // of all that a request names
  int64_t kept_bytes = 0;              // of what was decoded and may be asked about again
  int64_t max_pixels = 0;              // of a picture or frame; 0: as media::PrepareOptions
  double max_seconds = 0;              // of sound or film; the same
  media::WorkerOptions worker;         // what decoding a file may take
};

class MediaIntake {
 public:
  explicit MediaIntake(MediaIntakeOptions options) : options_(std::move(options)), decoded_(options_.kept_bytes) {}

  /** Whether that may take as long as others like: something is to be fetched. */
  bool waits_for_others(const std::vector<MediaSource>& sources) const;
  /** All of a request's, in their order; the failure names the field that one came in. salt: what is known from before
   *  is shared between requests of one salt only. go_on: whether somebody still waits for it. `how`: what is otherwise
   *  than usual. */
  Result<MediaList> take(const ServedModel& model, std::vector<MediaSource> sources, uint64_t salt,
                         const std::function<bool()>& go_on, const media::PrepareOptions& how = {});
  /** The same of all that an ask has, whose messages say from here on what the files that have come are. */
  Result<MediaList> take(const ServedModel& model, Ask& ask, const std::function<bool()>& go_on);
  /** Whatever is on its way fails, soon. */
  void stop() { stopped_.store(true); }
  DecodedMedia::Stats stats() const { return decoded_.stats(); }

 private:
  Result<std::shared_ptr<const Media>> decoded(const ServedModel& model, const MediaSource& source, uint64_t salt,
                                               const std::function<bool()>& go_on, media::PrepareOptions how);

  const MediaIntakeOptions options_;
  DecodedMedia decoded_;
  std::atomic<bool> stopped_{false};
};

}  // namespace gemma::serve
