// SPDX-License-Identifier: Apache-2.0
// What is remembered, kept on disk too (prefix_store.h).
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "kv/kv_state.h"

namespace gemma {
namespace {

constexpr std::chrono::milliseconds kAWhile{2};

}  // namespace

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
    PrefixTree::Found stored = s.store->tree().find(text);
    if (stored.length < here + s.options.page_size) break;
    s.needed = s.remembered.missing(s.store->tree(), *stored.node);
    if (!s.make_room()) break;
    stored = s.store->tree().find(text);  // what memory has given up for it may have taken its place on disk
    if (stored.length < here + s.options.page_size) break;
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

bool KvCache::State::can_be_stored(const PrefixNode& place, bool now) const {
  int64_t bytes = 0;
  const std::vector<int64_t> missing = store->tree().missing(remembered, place);
  for (size_t g = 0; g < missing.size(); ++g) bytes += missing[g] * pools[g].page_bytes();
  return store->could_hold(bytes) && (!now || store->writer().has_room(bytes));
}

bool KvCache::State::store_place(const PrefixNode& place, FunctionRef<bool()> interrupted) {
  bool stopped = false;
  store->tree().copy_place(remembered, place, [&](size_t group, int32_t page) {
    stopped = interrupted();
    if (stopped) return -1;
    std::vector<std::byte> bytes(static_cast<size_t>(pools[group].page_bytes()));
    pools[group].read(page, bytes);
    return store->write(group, std::move(bytes));
  });
  return !stopped;
}

bool KvCache::State::forget_oldest() {
  const PrefixNode* place = remembered.oldest();
  if (store != nullptr && place != nullptr && place->last_use > saved && can_be_stored(*place, true)) {
    store_place(*place, [] { return false; });
    store->commit_seldom();
  }
  return remembered.forget_oldest();
}

bool KvCache::unsaved() const {
  const State& s = *state_;
  return s.store != nullptr && (s.saved < s.remembered.time() || s.store->index_is_old() || s.store->commits());
}

void KvCache::save(FunctionRef<bool()> interrupted) {
  State& s = *state_;
  if (!unsaved()) return;
  const FileWriter& writer = s.store->writer();
  const auto stopped_before = [&](auto&& waits) {  // the disk is waited for, but not while there is other work
    while (!interrupted()) {
      if (!waits()) return false;
      writer.wait(kAWhile);
    }
    return true;
  };
  const int64_t now = s.remembered.time();
  for (const PrefixNode* place : s.remembered.places_since(s.saved)) {
    if (!s.can_be_stored(*place, false)) continue;
    if (!s.store_place(*place, [&] { return stopped_before([&] { return !writer.has_room(0); }); })) {
      s.saved = place->last_use - 1;
      return;
    }
  }
  s.saved = now;
  const auto commits = [&] { return s.store->commits(); };
  if (stopped_before(commits)) return;
  s.store->commit();
  stopped_before(commits);
}

int64_t KvCache::bytes_on_disk() const { return state_->store != nullptr ? state_->store->bytes() : 0; }

}  // namespace gemma
