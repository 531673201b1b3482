// SPDX-License-Identifier: Apache-2.0
#include "serve/decoded_media.h"

#include <openssl/evp.h>

#include <string>
#include <utility>

#include "base/error.h"

namespace gemma::serve {
namespace {

int64_t bytes_of(const Media& media) {
  int64_t sum = static_cast<int64_t>(sizeof(Media));
  for (const MediaInput& input : media.inputs) {
    if (input.picture.pixels.defined()) sum += input.picture.pixels.bytes();
    if (input.sound.defined()) sum += input.sound.bytes();
  }
  return sum;
}

}  // namespace

DecodedMedia::Key DecodedMedia::key_of(std::string_view how, std::string_view file) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const std::string head = std::to_string(how.size()) + "\n";  // so that the two cannot be taken for each other
  Key key{};
  const bool done = hash && EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr) == 1 &&
                    EVP_DigestUpdate(hash.get(), head.data(), head.size()) == 1 &&
                    EVP_DigestUpdate(hash.get(), how.data(), how.size()) == 1 &&
                    EVP_DigestUpdate(hash.get(), file.data(), file.size()) == 1 &&
                    EVP_DigestFinal_ex(hash.get(), key.data(), nullptr) == 1;
  GEMMA_CHECK(done, "SHA-256 is always there");
  return key;
}

std::shared_ptr<const Media> DecodedMedia::find(const Key& key) {
  const std::lock_guard lock(mutex_);
  const auto place = places_.find(key);
  if (place == places_.end()) return nullptr;
  ++stats_.found;
  kept_.splice(kept_.begin(), kept_, place->second);
  return place->second->media;
}

void DecodedMedia::add(const Key& key, std::shared_ptr<const Media> media) {
  const int64_t bytes = bytes_of(*media);
  const std::lock_guard lock(mutex_);
  ++stats_.added;
  if (bytes > byte_limit_ || places_.contains(key)) return;
  stats_.bytes += bytes;
  kept_.push_front({key, std::move(media), bytes});
  places_[key] = kept_.begin();
  while (stats_.bytes > byte_limit_) {
    stats_.bytes -= kept_.back().bytes;
    places_.erase(kept_.back().key);
    kept_.pop_back();
  }
}

DecodedMedia::Stats DecodedMedia::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace gemma::serve
