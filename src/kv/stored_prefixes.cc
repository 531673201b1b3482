// SPDX-License-Identifier: Apache-2.0
// What is remembered, kept on disk too (prefix_store.h).
#include <optional>
#include <utility>
#include <vector>

#include "kv/kv_state.h"

namespace gemma {

PageForm KvCache::State::form() const {
  std::string of = fmt::format("{} {} {} {}", options.origin.hex(), name_of(options.types), options.page_size,
                               options.media_overlay ? "overlay" : "");
  PageForm form{{}, options.page_size, {}};
  for (const PagePool& pool : pools) {
    form.page_bytes.push_back(pool.page_bytes());
    of += fmt::format(" {}", pool.page_bytes());
  }
  form.fingerprint = Fingerprint::of(of);
  return form;
}

int KvCache::restore(const PrefixView& text) {
  State& s = *state_;
  if (s.store == nullptr) return 0;
  std::vector<std::byte> bytes;
  for (bool again = true; again;) {
    std::optional<std::pair<size_t, int32_t>> damaged;
    const int here = s.remembered.find(text).length;
    const PrefixTree::Found stored = s.store->tree().find(text);
    if (stored.length < here + s.options.page_size) break;
    s.needed = s.remembered.missing(s.store->tree(), *stored.node);
    if (!s.make_room()) break;
    const bool copied = s.remembered.copy_place(s.store->tree(), *stored.node, [&](size_t group, int32_t page) {
      PagePool& pool = s.pools[group];
      if (pool.used() == pool.capacity()) return -1;  // making room took what was there
      bytes.resize(static_cast<size_t>(pool.page_bytes()));
      if (!s.store->read(group, page, bytes)) {
        damaged = {group, page};
        return -1;
      }
      const int32_t taken = pool.take();
      pool.write(taken, bytes);
      return taken;
    });
    again = damaged.has_value();
    if (damaged) s.store->tree().forget_users(damaged->first, damaged->second);
    s.keep_to_most_places();
    if (copied) return s.remembered.find(text).length - here;
  }
  return 0;
}

bool KvCache::unsaved() const { return state_->store != nullptr && state_->saved < state_->remembered.time(); }

void KvCache::save(FunctionRef<bool()> interrupted) {
  State& s = *state_;
  if (!unsaved()) return;
  const int64_t now = s.remembered.time();
  std::vector<std::byte> bytes;
  for (const PrefixNode* place : s.remembered.places_since(s.saved)) {
    int64_t needed = 0;
    const std::vector<int64_t> missing = s.store->tree().missing(s.remembered, *place);
    for (size_t g = 0; g < missing.size(); ++g) needed += missing[g] * s.pools[g].page_bytes();
    if (!s.store->could_hold(needed)) continue;
    bool stopped = false;
    s.store->tree().copy_place(s.remembered, *place, [&](size_t group, int32_t page) {
      stopped = interrupted();
      if (stopped) return -1;
      bytes.resize(static_cast<size_t>(s.pools[group].page_bytes()));
      s.pools[group].read(page, bytes);
      return s.store->write(group, bytes);
    });
    if (stopped) {
      s.saved = place->last_use - 1;
      return;
    }
  }
  s.saved = now;
  s.store->commit();
}

int64_t KvCache::bytes_on_disk() const { return state_->store != nullptr ? state_->store->bytes() : 0; }

}  // namespace gemma
