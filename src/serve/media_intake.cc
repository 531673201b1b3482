// SPDX-License-Identifier: Apache-2.0
#include "serve/media_intake.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "chat/media_places.h"
#include "media/file_bytes.h"
#include "media/kind.h"

namespace gemma::serve {
namespace {

constexpr size_t kMostAddresses = 64;

/** The bytes as a file without a name, which a worker process can be handed. */
File file_of(const MediaSource& source) {
  const int fd = ::memfd_create("media", MFD_CLOEXEC);
  if (fd < 0) fail(source.name, "cannot be kept: {}", std::strerror(errno));
  size_t done = 0;
  while (done < source.bytes.size()) {
    const ssize_t written = ::write(fd, source.bytes.data() + done, source.bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int error = errno;
      ::close(fd);
      fail(source.name, "cannot be kept: {}", std::strerror(error));
    }
    done += static_cast<size_t>(written);
  }
  return File::adopt(fd, source.name);
}

/** Who may ask must not make the server hammer a host. */
std::optional<Failure> too_many(const std::vector<MediaSource>& sources) {
  std::set<std::string_view> addresses;
  for (const MediaSource& source : sources) {
    if (!source.address.empty()) addresses.insert(source.address);
    if (addresses.size() > kMostAddresses) {
      return Failure{source.name, fmt::format("expected at most {} addresses in a request", kMostAddresses)};
    }
  }
  return std::nullopt;
}

std::optional<Failure> settle_kind(MediaSource& source) {
  const auto bytes = std::as_bytes(std::span(source.bytes));
  const auto kind = media::kind_of(bytes);
  if (!kind) {
    return Failure{source.name, fmt::format("expected a picture, sound or film, found {}", media::what_it_is(bytes))};
  }
  source.kind = *kind;
  if (source.kind != media::Kind::image) source.budget = 0;
  return std::nullopt;
}

/** fetcher: null where addresses are refused. */
std::optional<Failure> fetch(Fetcher* fetcher, MediaSource& source, const std::function<bool()>& go_on) {
  if (fetcher == nullptr) {
    return Failure{source.name,
                   "expected the file itself (data:image/png;base64,...): this server fetches no addresses (its "
                   "operator can allow hosts, by --fetch-from)"};
  }
  auto bytes = fetcher->get(source.address, go_on);
  if (!bytes) return Failure{source.name, bytes.failure().reason};
  source.bytes = std::move(bytes).value();
  return source.any_kind ? settle_kind(source) : std::nullopt;
}

}  // namespace

Result<std::shared_ptr<const Media>> MediaIntake::decoded(const ServedModel& model, const MediaSource& source,
                                                          uint64_t salt, const std::function<bool()>& go_on,
                                                          media::PrepareOptions how) {
  if (!model.media.takes(source.kind)) {
    return Failure{source.name, fmt::format("the model '{}' has no encoder of {}", model.name,
                                            source.kind == media::Kind::audio ? "sound" : "pictures")};
  }
  how.kind = source.kind;
  how.budget = source.budget;
  how.max_pixels = options_.max_pixels;
  how.max_seconds = options_.max_seconds;
  media::WorkerOptions worker = options_.worker;
  worker.interrupted = [&] { return !go_on(); };
  try {
    model.media.set(how);
    const auto key =
        DecodedMedia::key_of(fmt::format("{} {} {}", salt, model.name, write_json(media::to_json(how))), source.bytes);
    if (const auto known = decoded_.find(key)) {
      Media again = *known;
      again.name = source.name;
      return std::make_shared<const Media>(std::move(again));
    }
    const media::Prepared prepared = media::prepare_apart(file_of(source), how, worker);
    auto media = std::make_shared<const Media>(media_of(source.name, source.kind, prepared, model.media.encoders));
    decoded_.add(key, media);
    return media;
  } catch (const Error& error) {  // begins with the file's name, which is the field's
    const std::string named = source.name + ": ", what = error.what();
    return Failure{source.name, what.starts_with(named) ? what.substr(named.size()) : what};
  }
}

bool MediaIntake::waits_for_others(const std::vector<MediaSource>& sources) const {
  return options_.fetch &&
         std::any_of(sources.begin(), sources.end(), [](const MediaSource& source) { return !source.address.empty(); });
}

Result<MediaList> MediaIntake::take(const ServedModel& model, std::vector<MediaSource> sources, uint64_t salt,
                                    const std::function<bool()>& go_on, const media::PrepareOptions& how) {
  const auto wanted = [&] { return !stopped_.load() && go_on(); };
  MediaList out;
  std::optional<Fetcher> fetcher;
  if (options_.fetch) {
    if (auto failure = too_many(sources)) return std::move(*failure);
    fetcher.emplace(*options_.fetch, options_.fetched_bytes);
  }
  for (MediaSource& source : sources) {
    if (!wanted()) return Failure{source.name, "nobody waits for it any more"};
    if (!source.address.empty()) {
      if (auto failure = fetch(fetcher ? &*fetcher : nullptr, source, wanted)) return std::move(*failure);
    }
    auto one = decoded(model, source, salt, wanted, how);
    if (!one) return one.failure();
    out.push_back(std::move(one).value());
    source.bytes = {};
  }
  return out;
}

Result<MediaList> MediaIntake::take(const ServedModel& model, Ask& ask, const std::function<bool()>& go_on) {
  const bool unsaid = std::ranges::any_of(ask.media, &MediaSource::any_kind);
  auto media = take(model, std::exchange(ask.media, {}), ask.answer.salt, go_on);
  if (!media || !unsaid) return media;
  std::vector<Medium> kinds;
  for (const auto& each : media.value()) kinds.push_back(each->item.medium);
  set_media_in(ask.messages, kinds);
  return media;
}

}  // namespace gemma::serve
