// SPDX-License-Identifier: Apache-2.0
#include "serve/model_shelf.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace gemma::serve {

bool ModelShelf::take(const std::string& name, Time now) {
  const auto found = models_.find(name);
  if (found == models_.end() || !found->second.loaded || found->second.leaving) return false;
  ++found->second.users;
  found->second.used = now;
  return true;
}

void ModelShelf::give_back(const std::string& name, Time now) {
  Entry& entry = models_.at(name);
  GEMMA_CHECK(entry.users > 0, "what is given back was taken");
  --entry.users;
  entry.used = now;
}

void ModelShelf::want(const std::string& name) {
  Entry& entry = models_[name];
  if (entry.waiting++ == 0) entry.asked = ++asked_;
}

void ModelShelf::forget(const std::string& name) {
  Entry& entry = models_.at(name);
  GEMMA_CHECK(entry.waiting > 0, "who leaves has waited");
  if (--entry.waiting == 0 && !entry.loaded) entry.bytes = 0;  // its file may be another one by then
}

ModelShelf::Each* ModelShelf::oldest_wanted() {
  Each* oldest = nullptr;
  for (Each& each : models_) {
    const Entry& entry = each.second;
    if (entry.loaded || entry.waiting == 0) continue;
    if (oldest == nullptr || entry.asked < oldest->second.asked) oldest = &each;
  }
  return oldest;
}

/** Those that must go so that there is room: the idle before the others, of each kind what was used longest ago. */
std::vector<ModelShelf::Each*> ModelShelf::in_the_way_of(int64_t bytes) {
  std::vector<Each*> all;
  int64_t held = 0;
  for (Each& each : models_) {
    if (!each.second.loaded) continue;
    all.push_back(&each);
    held += each.second.bytes;
  }
  std::ranges::stable_sort(all, [](const Each* a, const Each* b) {
    return std::pair(a->second.users > 0, a->second.used) < std::pair(b->second.users > 0, b->second.used);
  });
  const int64_t most = options_.budget - bytes;
  size_t count = 0;
  for (; count < all.size() && held > most; ++count) held -= all[count]->second.bytes;
  all.resize(count);
  std::erase_if(all, [&](const Each* each) {  // small ones that went first, and need not after all
    const bool stays = held + each->second.bytes <= most;
    if (stays) held += each->second.bytes;
    return stays;
  });
  return all;
}

ModelShelf::Step ModelShelf::next(Time now) {
  for (auto& [name, entry] : models_) entry.leaving = false;
  Each* wanted = oldest_wanted();
  std::vector<Each*> leaving;
  if (wanted != nullptr && wanted->second.bytes > 0 && wanted->second.bytes <= options_.budget) {
    leaving = in_the_way_of(wanted->second.bytes);
  }
  for (Each* each : leaving) each->second.leaving = true;
  for (const auto& [name, entry] : models_) {
    if (entry.loaded && entry.waiting > 0 && !entry.leaving) return {Do::serve, name};
  }
  if (wanted != nullptr) {
    if (wanted->second.bytes == 0) return {Do::measure, wanted->first};
    if (wanted->second.bytes > options_.budget) return {Do::refuse, wanted->first};
    if (leaving.empty()) return {Do::load, wanted->first};
    for (const Each* each : leaving) {
      if (each->second.users == 0) return {Do::unload, each->first};
    }
  }
  Step step;
  for (const auto& [name, entry] : models_) {
    const auto gone = goes_at(name);
    if (!gone || entry.users > 0 || entry.waiting > 0) continue;
    if (*gone <= now) return {Do::unload, name};
    if (!step.until || *gone < *step.until) step.until = gone;
  }
  return step;
}

void ModelShelf::loaded(const std::string& name, Time now) {
  Entry& entry = models_[name];
  entry.loaded = true;
  entry.used = now;
}

bool ModelShelf::keep(const std::string& name, Clock::duration idle) {
  Entry& entry = models_[name];
  if (entry.loaded) entry.idle = idle;
  return !entry.kept;
}

bool ModelShelf::unloaded(const std::string& name) {
  Entry& entry = models_.at(name);
  if (entry.users > 0) return false;
  entry.loaded = entry.leaving = false;
  entry.bytes = 0;
  entry.idle.reset();
  return true;
}

void ModelShelf::refused(const std::string& name) {
  Entry& entry = models_.at(name);
  entry.waiting = 0;
  entry.bytes = 0;
}

bool ModelShelf::is_loaded(const std::string& name) const {
  const auto found = models_.find(name);
  return found != models_.end() && found->second.loaded;
}

std::vector<std::string> ModelShelf::loaded() const {
  std::vector<std::string> out;
  for (const auto& [name, entry] : models_) {
    if (entry.loaded) out.push_back(name);
  }
  return out;
}

int64_t ModelShelf::bytes(const std::string& name) const {
  const auto found = models_.find(name);
  return found == models_.end() ? 0 : found->second.bytes;
}

int64_t ModelShelf::spare(int64_t coming) const {
  int64_t left = options_.budget - coming;
  for (const auto& [name, entry] : models_) left -= entry.loaded ? entry.bytes : 0;
  return std::max<int64_t>(0, left);
}

std::optional<ModelShelf::Time> ModelShelf::goes_at(const std::string& name) const {
  const auto found = models_.find(name);
  if (found == models_.end() || !found->second.loaded || found->second.kept) return std::nullopt;
  const auto idle = found->second.idle ? found->second.idle : options_.idle;
  if (!idle || *idle == Clock::duration::max()) return std::nullopt;
  return found->second.used + *idle;
}

}  // namespace gemma::serve
