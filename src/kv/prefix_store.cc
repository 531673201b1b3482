// SPDX-License-Identifier: Apache-2.0
#include "kv/prefix_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "kv/kv_state.h"

namespace gemma {
namespace fs = std::filesystem;
namespace {

constexpr int32_t kMostPages = 1 << 24;
constexpr int64_t kMostIndex = 1 << 30;  // bytes
constexpr double kBetweenIndices = 5;    // seconds, while there is always something to do

/** Nothing when it has another size. */
bool read_whole(const std::string& path, std::span<std::byte> out) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return false;
  struct stat facts{};
  bool good = ::fstat(file, &facts) == 0 && facts.st_size == std::ssize(out);
  while (good && !out.empty()) {
    const ssize_t n = ::read(file, out.data(), out.size());
    if (n < 0 && errno == EINTR) continue;
    good = n > 0;
    if (good) out = out.subspan(static_cast<size_t>(n));
  }
  ::close(file);
  return good;
}

/** What "GROUP-PAGE" names. */
std::optional<std::pair<size_t, int32_t>> page_named(const std::string& name) {
  size_t group = 0;
  int32_t page = 0;
  const char* end = name.data() + name.size();
  const auto [middle, wrong] = std::from_chars(name.data(), end, group);
  if (wrong != std::errc() || middle == end || *middle != '-') return std::nullopt;
  const auto [stop, error] = std::from_chars(middle + 1, end, page);
  if (error != std::errc() || stop != end || page < 0 || page >= kMostPages) return std::nullopt;
  return std::pair(group, page);
}

}  // namespace

class PrefixStore::FilePages final : public CountedPages {
 public:
  FilePages(PrefixStore& store, size_t group, int64_t page_bytes)
      : CountedPages(page_bytes), store_(store), group_(group) {}

  /** Takes one for bytes of this hash. */
  int32_t add(uint64_t hash) {
    if (free_.empty()) grow(capacity() + 1);
    const int32_t page = take();
    hashes_[static_cast<size_t>(page)] = hash;
    return page;
  }
  /** Takes this one. */
  void claim(int32_t page, uint64_t hash) {
    if (page >= capacity()) grow(page + 1);
    std::erase(free_, page);
    refs_[static_cast<size_t>(page)] = 1;
    hashes_[static_cast<size_t>(page)] = hash;
  }
  uint64_t hash_of(int32_t page) const { return hashes_[static_cast<size_t>(page)]; }

 private:
  void freed(int32_t page) override { store_.remove(group_, page); }
  void grow(int32_t capacity) {
    for (int32_t page = this->capacity(); page < capacity; ++page) free_.push_back(page);
    refs_.resize(static_cast<size_t>(capacity));
    hashes_.resize(static_cast<size_t>(capacity));
  }

  PrefixStore& store_;
  size_t group_;
  std::vector<uint64_t> hashes_;
};

PrefixStore::PrefixStore(const PageGroups& groups, PageForm form, std::shared_ptr<CacheFolder> folder)
    : form_(std::move(form)),
      folder_(std::move(folder)),
      path_(folder_->take(form_.fingerprint)),
      writer_(kMostWaiting,
              [this](const std::string& why) {
                folder_->say(fmt::format("cannot be written: {}: nothing more is kept there", why));
              }),
      pages_([this] {
        std::vector<std::unique_ptr<FilePages>> pages;
        for (const int64_t bytes : form_.page_bytes) {
          pages.push_back(std::make_unique<FilePages>(*this, pages.size(), bytes));
        }
        return pages;
      }()),
      tree_(groups, form_.page_size, [this] {
        std::vector<CountedPages*> pages;
        for (const auto& each : pages_) pages.push_back(each.get());
        return pages;
      }()) {
  works_ = !path_.empty();
  if (works_) open();
}

PrefixStore::~PrefixStore() {
  if (path_.empty()) return;
  writer_.finish();
  works();
  writer_.finish();
  folder_->release(form_.fingerprint, bytes_);
}

std::string PrefixStore::path_of(size_t group, int32_t page) const {
  return fmt::format("{}/{}-{}", path_, group, page);
}

bool PrefixStore::reserve(int64_t bytes) {
  if (!folder_->reserve(bytes)) return false;
  bytes_ += bytes;
  return true;
}

void PrefixStore::give_back(int64_t bytes) {
  folder_->give_back(bytes);
  bytes_ -= bytes;
}

void PrefixStore::remove(size_t group, int32_t page) {
  writer_.remove(path_of(group, page));
  give_back(form_.page_bytes[group]);
  index_is_old_ = true;
}

/** What is there, as far as index and files are as they should be; else it is removed. */
void PrefixStore::open() {
  std::vector<StoredNode> nodes;
  std::string damage;
  if (std::error_code error; fs::exists(path_ + "/index", error)) {
    index_bytes_ = static_cast<int64_t>(fs::file_size(path_ + "/index", error));
    bytes_ += index_bytes_;
    std::string text(static_cast<size_t>(std::min(index_bytes_, kMostIndex)), '\0');
    PrefixIndex index{{}, "it cannot be read, and is begun anew"};
    if (read_whole(path_ + "/index", std::as_writable_bytes(std::span(text)))) index = read_index(form_, text);
    nodes = std::move(index.nodes);
    damage = index.damage;
  }
  claim(nodes);
  const auto places = std::ranges::count_if(nodes, [](const StoredNode& node) { return node.age >= 0; });
  const int64_t planted = tree_.plant(nodes);
  for (const StoredNode& node : nodes) {  // the tree has its own references to those it needs
    for (size_t g = 0; g < pages_.size(); ++g) {
      if (node.pages[g].page >= 0) pages_[g]->drop(node.pages[g].page);
    }
  }
  if (damage.empty() && planted < places)
    damage = fmt::format("of {} places {} are lost: files are gone or cut", places, places - planted);
  if (!damage.empty()) folder_->say(form_.fingerprint.hex() + "/index: " + damage);
  while (!reserve(0) && tree_.forget_oldest()) {  // the limit may have been larger
  }
  writer_.finish();
}

/** Takes the pages of the nodes that are there, and says of the others that they are not kept. */
void PrefixStore::claim(std::vector<StoredNode>& nodes) {
  std::map<std::pair<size_t, int32_t>, bool> files;
  std::error_code error;
  std::vector<fs::path> strays;
  for (const fs::directory_entry& file : fs::directory_iterator(path_, error)) {
    const std::string name = file.path().filename().string();
    if (name == "index") continue;
    const auto size = static_cast<int64_t>(file.file_size(error));
    bytes_ += size;
    const auto page = page_named(name);
    const bool whole = page && page->first < pages_.size() && size == form_.page_bytes[page->first];
    if (whole) {
      files[*page] = true;
    } else {
      fs::remove(file.path(), error);
      give_back(size);
    }
  }
  for (StoredNode& node : nodes) {
    for (size_t g = 0; g < pages_.size(); ++g) {
      StoredPage& page = node.pages[g];
      if (files.erase({g, page.page}) == 0) page.page = -1;
      if (page.page >= 0) pages_[g]->claim(page.page, page.hash);
    }
  }
  for (const auto& [page, unused] : files) remove(page.first, page.second);
}

bool PrefixStore::could_hold(int64_t bytes) { return works() && bytes < folder_->limit(); }

int32_t PrefixStore::write(size_t group, std::vector<std::byte> bytes) {
  if (!works()) return -1;
  while (!reserve(std::ssize(bytes))) {
    if (!tree_.forget_oldest()) return -1;
  }
  const int32_t page = pages_[group]->add(form_.hash(bytes));
  writer_.write(path_of(group, page), std::move(bytes));
  fresh_.push_back({group, page});
  index_is_old_ = true;
  return page;
}

bool PrefixStore::works() {
  settle();
  if (!works_ || writer_.works()) return works_;
  works_ = index_is_old_ = false;
  give_back(std::exchange(coming_, {}).bytes);
  for (const Written& each : std::exchange(fresh_, {})) tree_.forget_users(each.group, each.page);
  return false;
}

void PrefixStore::settle() {
  if (coming_.job == 0 || writer_.done() < coming_.job) return;
  give_back(std::exchange(index_bytes_, coming_.bytes));
  fresh_.erase(fresh_.begin(), fresh_.begin() + static_cast<int64_t>(coming_.pages));
  coming_ = {};
}

bool PrefixStore::read(size_t group, int32_t page, std::span<std::byte> out) {
  const std::string path = path_of(group, page);
  const bool there = writer_.find(path, out) || read_whole(path, out);
  if (there && form_.hash(out) == pages_[group]->hash_of(page)) return true;
  if (!std::exchange(damage_said_, true)) {
    folder_->say(fmt::format("{}/{}-{} is not what was written: what needs it is read anew", form_.fingerprint.hex(),
                             group, page));
  }
  return false;
}

std::vector<StoredNode> PrefixStore::nodes() const {
  const std::vector<const PrefixNode*> nodes = tree_.nodes();
  std::map<const PrefixNode*, int32_t> numbers;
  std::vector<StoredNode> stored;
  for (const PrefixNode* node : nodes) {
    numbers[node] = static_cast<int32_t>(stored.size());
    StoredNode& each = stored.emplace_back();
    const auto parent = numbers.find(node->parent);
    if (parent != numbers.end()) each.parent = parent->second;
    if (parent == numbers.end()) each.salt = node->parent->salt;
    if (node->place) each.age = node->last_use;
    each.tokens = node->tokens;
    each.media = node->media;
    for (size_t g = 0; g < pages_.size(); ++g) {
      const int32_t page = node->groups[g].page;
      each.pages.push_back({page, page >= 0 ? pages_[g]->hash_of(page) : 0});
    }
  }
  return stored;
}

void PrefixStore::commit() {
  if (commits() || !works_) return;
  std::string text = write_index(form_, nodes());
  while (!reserve(std::ssize(text))) {
    const bool fewer = tree_.forget_oldest();
    index_is_old_ = fewer;
    if (!fewer) return;  // not even an empty one has room
    text = write_index(form_, nodes());
  }
  index_is_old_ = false;
  const int64_t bytes = std::ssize(text);
  coming_ = {writer_.replace(path_ + "/index", std::move(text)), bytes, fresh_.size()};
  indexed_ = Clock::now();
}

void PrefixStore::commit_seldom() {
  if (index_is_old_ && seconds_since(indexed_) > kBetweenIndices) commit();
}

int64_t PrefixStore::bytes() {
  settle();
  return bytes_;
}

bool PrefixStore::commits() { return works() && coming_.job > 0; }

}  // namespace gemma
