// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

#include "base/error.h"

namespace gemma {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::optional<int64_t> number_in(const std::string& path) {
  const std::string text = slurp(path);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;  // "max", or no such file
  return value;
}

/** The number after `key` in lines of "key value". */
int64_t keyed_number(const std::string& text, std::string_view key) {
  std::istringstream in(text);
  std::string name;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    int64_t value = 0;
    if (fields >> name >> value && name == key) return value;
  }
  return -1;
}

/** What one cgroup leaves: limit - (usage - reclaimable file pages). */
int64_t left_in(const std::string& folder, const char* limit_file, const char* usage_file, const char* cache_key) {
  const std::optional<int64_t> limit = number_in(folder + limit_file);
  if (!limit || *limit <= 0) return kNoLimit;
  const int64_t used = number_in(folder + usage_file).value_or(0);
  const int64_t cache = std::max<int64_t>(0, keyed_number(slurp(folder + "/memory.stat"), cache_key));
  return std::max<int64_t>(0, *limit - std::max<int64_t>(0, used - cache));
}

/** What one cgroup lets all its processes have. */
int64_t limit_of(const std::string& folder, const char* limit_file, const char*, const char*) {
  const std::optional<int64_t> limit = number_in(folder + limit_file);
  return limit && *limit > 0 ? *limit : kNoLimit;
}

using OfGroup = int64_t (*)(const std::string& folder, const char* limit, const char* usage, const char* cache_key);

/** The least of a cgroup and its parents. `path` is "/a/b" below `root`. */
int64_t least_of_all(OfGroup of_group, const std::string& root, std::string path, const char* limit_file,
                     const char* usage_file, const char* cache_key) {
  int64_t least = kNoLimit;
  while (true) {
    least = std::min(least, of_group(root + path, limit_file, usage_file, cache_key));
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos || path.empty()) return least;
    path.resize(slash);
  }
}

/** The least of all cgroups that this process is in. */
int64_t least_of_cgroups(OfGroup of_group) {
  int64_t least = kNoLimit;
  std::istringstream groups(slurp("/proc/self/cgroup"));
  for (std::string line; std::getline(groups, line);) {  // "0::/path" (v2), "5:memory:/path" (v1)
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (path == "/") path.clear();
    if (controllers.empty()) {
      least = std::min(
          least, least_of_all(of_group, "/sys/fs/cgroup", path, "/memory.max", "/memory.current", "inactive_file"));
    } else if (controllers.find("memory") != std::string::npos) {
      least = std::min(least, least_of_all(of_group, "/sys/fs/cgroup/memory", path, "/memory.limit_in_bytes",
                                           "/memory.usage_in_bytes", "total_inactive_file"));
    }
  }
  return least;
}

int64_t of_machine(std::string_view key) {
  const int64_t kilobytes = keyed_number(slurp("/proc/meminfo"), key);
  return kilobytes < 0 ? kNoLimit : kilobytes * 1024;
}

/** What limit_memory() was told last; set before threads are, read by the one that plans. */
struct Limit {
  int64_t bytes = 0;
  std::string name;
};
Limit& own_limit() {
  static Limit limit;
  return limit;
}

int64_t left_in_own_limit() {
  const int64_t limit = own_limit().bytes;
  return limit > 0 ? std::max<int64_t>(0, limit - process_memory().own) : kNoLimit;
}

int64_t left_in_system() { return std::min(of_machine("MemAvailable:"), least_of_cgroups(left_in)); }

constexpr int64_t kLargeBlock = int64_t{1} << 20;

size_t rounded(int64_t bytes) { return (static_cast<size_t>(std::max<int64_t>(bytes, 1)) + 63) / 64 * 64; }

}  // namespace

std::byte* take_memory(int64_t bytes) {
  const size_t size = rounded(bytes);
  if (bytes < kLargeBlock) return static_cast<std::byte*>(std::aligned_alloc(64, size));
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return nullptr;
  madvise(data, size, MADV_HUGEPAGE);  // a wish: refused, nothing is lost
  return static_cast<std::byte*>(data);
}

void give_back_memory(std::byte* data, int64_t bytes) {
  if (bytes < kLargeBlock) return std::free(data);
  munmap(data, rounded(bytes));
}

std::byte* reserve_memory(int64_t bytes) {
  rlimit addresses{};
  if (getrlimit(RLIMIT_AS, &addresses) != 0 || addresses.rlim_cur != RLIM_INFINITY) return nullptr;
  const size_t size = rounded(bytes);
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) return nullptr;
  madvise(data, size, MADV_HUGEPAGE);
  return static_cast<std::byte*>(data);
}

void forget_memory(std::byte* data, int64_t bytes) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto at = reinterpret_cast<uintptr_t>(data);
  const uintptr_t first = (at + page - 1) / page * page, last = (at + static_cast<uintptr_t>(bytes)) / page * page;
  if (first < last) madvise(data + (first - at), last - first, MADV_DONTNEED);
}

int64_t available_memory() { return std::min(left_in_system(), left_in_own_limit()); }

int64_t total_memory() { return std::min(of_machine("MemTotal:"), least_of_cgroups(limit_of)); }

void limit_memory(int64_t bytes, std::string_view name) { own_limit() = {bytes, std::string(name)}; }

std::optional<int64_t> parse_bytes(std::string_view text) {
  struct Unit {
    std::string_view name;
    double bytes;
  };
  constexpr double kKi = 1024;
  const std::array units{Unit{"", 1},
                         Unit{"B", 1},
                         Unit{"kB", 1e3},
                         Unit{"KB", 1e3},
                         Unit{"MB", 1e6},
                         Unit{"GB", 1e9},
                         Unit{"TB", 1e12},
                         Unit{"KiB", kKi},
                         Unit{"MiB", kKi * kKi},
                         Unit{"GiB", kKi * kKi * kKi},
                         Unit{"TiB", kKi * kKi * kKi * kKi},
                         Unit{"%", static_cast<double>(total_memory()) / 100}};
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  const std::string_view name(end, static_cast<size_t>(text.data() + text.size() - end));
  const auto unit = std::ranges::find(units, name, &Unit::name);
  if (unit == units.end()) return std::nullopt;
  const double bytes = value * unit->bytes;
  if (!(bytes >= 1) || bytes > 1e18 || (name == "%" && value > 100)) return std::nullopt;
  return static_cast<int64_t>(bytes);
}

ProcessMemory process_memory() {
  const std::string status = slurp("/proc/self/status");
  const auto bytes = [&](std::string_view key) { return std::max<int64_t>(0, keyed_number(status, key)) * 1024; };
  return {bytes("RssAnon:"), bytes("RssFile:") + bytes("RssShmem:"), bytes("VmHWM:")};
}

void forget_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

std::string format_bytes(int64_t bytes) {
  constexpr std::array<const char*, 5> kUnits{"bytes", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (std::abs(value) >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", value, unit > 0 && std::abs(value) < 9.95 ? 1 : 0, kUnits[unit]);
}

std::string describe_available() {
  const int64_t limited = left_in_own_limit(), found = left_in_system();
  if (limited >= found) return "found " + format_bytes(found);
  return fmt::format("found {} ({}, less {} in use)", format_bytes(limited), own_limit().name,
                     format_bytes(process_memory().own));
}

void require_memory(std::string_view where, std::string_view what, int64_t needed) {
  if (needed <= available_memory()) return;
  fail(where, "not enough memory for {}: needed {}, {}", what, format_bytes(needed), describe_available());
}

}  // namespace gemma
