// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"

#include <sys/mman.h>

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

/** The smallest of a cgroup and its parents. `path` is "/a/b" below `root`. */
int64_t left_in_all(const std::string& root, std::string path, const char* limit_file, const char* usage_file,
                    const char* cache_key) {
  int64_t left = kNoLimit;
  while (true) {
    left = std::min(left, left_in(root + path, limit_file, usage_file, cache_key));
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos || path.empty()) return left;
    path.resize(slash);
  }
}

int64_t cgroup_left() {
  int64_t left = kNoLimit;
  std::istringstream groups(slurp("/proc/self/cgroup"));
  for (std::string line; std::getline(groups, line);) {  // "0::/path" (v2), "5:memory:/path" (v1)
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (path == "/") path.clear();
    if (controllers.empty()) {
      left = std::min(left, left_in_all("/sys/fs/cgroup", path, "/memory.max", "/memory.current", "inactive_file"));
    } else if (controllers.find("memory") != std::string::npos) {
      left = std::min(left, left_in_all("/sys/fs/cgroup/memory", path, "/memory.limit_in_bytes",
                                        "/memory.usage_in_bytes", "total_inactive_file"));
    }
  }
  return left;
}

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

int64_t available_memory() {
  const int64_t kilobytes = keyed_number(slurp("/proc/meminfo"), "MemAvailable:");
  return std::min(kilobytes < 0 ? kNoLimit : kilobytes * 1024, cgroup_left());
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

void require_memory(std::string_view where, std::string_view what, int64_t needed) {
  const int64_t found = available_memory();
  if (needed > found) {
    fail(where, "not enough memory for {}: needed {}, found {}", what, format_bytes(needed), format_bytes(found));
  }
}

}  // namespace gemma
