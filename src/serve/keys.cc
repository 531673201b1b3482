// SPDX-License-Identifier: Apache-2.0
#include "serve/keys.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <set>
#include <span>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/keyed_hash.h"

namespace gemma::serve {
namespace {

constexpr int64_t kMostBytes = 1 << 20;
constexpr int kMostPerMinute = 1'000'000;

std::array<unsigned char, 32> sha256(std::string_view text) {
  std::array<unsigned char, 32> out{};
  unsigned int size = 0;
  const int done = EVP_Digest(text.data(), text.size(), out.data(), &size, EVP_sha256(), nullptr);
  GEMMA_CHECK(done == 1 && size == out.size(), "SHA-256 is there");
  return out;
}

std::string hex(const unsigned char* bytes, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += fmt::format("{:02x}", bytes[i]);
  return out;
}

std::array<unsigned char, 32> hash_of(const std::string& text, const std::string& where) {
  std::array<unsigned char, 32> hash{};
  bool good = text.size() == 2 * hash.size();
  for (size_t i = 0; good && i < hash.size(); ++i) {
    const char* at = text.data() + 2 * i;
    const auto [end, error] = std::from_chars(at, at + 2, hash[i], 16);
    good = error == std::errc() && end == at + 2;
  }
  if (!good) fail(where, "expected the SHA-256 of a key in 64 hexadecimal digits, found '{}'", text);
  return hash;
}

Scope scope_of(const std::string& name, const std::string& where) {
  if (name == "generate") return Scope::generate;
  if (name == "models") return Scope::models;
  if (name != "metrics") fail(where, "expected the scopes generate, models, metrics, found '{}'", name);
  return Scope::metrics;
}

void read_option(const std::string& option, Key& key, std::set<std::string>& given, const std::string& where) {
  const size_t equals = option.find('=');
  const std::string name = option.substr(0, equals),
                    value = equals == std::string::npos ? "" : option.substr(equals + 1);
  if (!given.insert(name).second) fail(where, "{} is there twice", name);
  if (name == "rate") {
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), key.per_minute);
    const bool whole = error == std::errc() && end == value.data() + value.size();
    if (!whole || key.per_minute < 1 || key.per_minute > kMostPerMinute) {
      fail(where, "rate: expected requests a minute, 1 to {}, found '{}'", kMostPerMinute, value);
    }
  } else if (name == "scope") {
    key.scopes.clear();
    std::istringstream scopes(value);
    for (std::string each; std::getline(scopes, each, ',');) key.scopes.push_back(scope_of(each, where));
    if (key.scopes.empty()) fail(where, "scope: expected at least one");
  } else {
    fail(where, "expected rate=N or scope=NAMES, found '{}'", option);
  }
}

Key key_of(const std::string& line, const std::string& where) {
  std::istringstream words(line);
  Key key;
  std::string hash;
  words >> key.name >> hash;
  key.hash = hash_of(hash, where);
  key.salt = std::max<uint64_t>(1, keyed_hash(std::as_bytes(std::span(key.name)), process_hash_key()));
  std::set<std::string> given;
  for (std::string option; words >> option;) read_option(option, key, given, where);
  return key;
}

/** Those of a file's text. Fails where others may read the file. */
std::vector<Key> keys_in(const std::string& text, const std::string& path) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) == 0 && (facts.st_mode & (S_IWGRP | S_IWOTH | S_IROTH)) != 0) {
    fail(path, "others may read or write it: chmod 600 {}", path);
  }
  std::istringstream lines(text);
  std::vector<Key> keys;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos || line[first] == '#') continue;
    Key key = key_of(line, fmt::format("{}: line {}", path, number));
    for (const Key& other : keys) {
      if (other.name == key.name) fail(path, "line {}: a second key of the name '{}'", number, key.name);
      if (other.hash == key.hash) fail(path, "line {}: the key of '{}' once more", number, other.name);
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace

bool Key::may(Scope scope) const { return std::find(scopes.begin(), scopes.end(), scope) != scopes.end(); }

Keys Keys::read(const std::string& path) {
  std::vector<Key> keys = keys_in(read_file(path, kMostBytes), path);
  if (keys.empty()) fail(path, "holds no key");
  List shared;
  for (Key& key : keys) shared.push_back(std::make_shared<const Key>(std::move(key)));
  return Keys(std::move(shared));
}

void Keys::replace(Keys other) {
  const std::lock_guard lock(mutex_);
  keys_ = std::move(other.keys_);
}

void Keys::add(const std::string& path, const std::string& name, const std::function<void(const std::string&)>& show) {
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(),
                                                  [](unsigned char c) { return c > ' ' && c < 127 && c != '#'; });
  if (!plain) fail_usage("--new-key", "expected a name of plain letters without blanks, found '{}'", name);
  const std::string before = ::access(path.c_str(), F_OK) == 0 ? read_file(path, kMostBytes) : "";
  const std::vector<Key> others = keys_in(before, path);
  if (std::ranges::find(others, name, &Key::name) != others.end()) fail(path, "has a key of the name '{}'", name);
  std::array<unsigned char, 24> random{};
  GEMMA_CHECK(RAND_bytes(random.data(), random.size()) == 1, "random bytes are there");
  const std::string secret = "g4-" + hex(random.data(), random.size());
  const auto hash = sha256(secret);
  const bool open_end = !before.empty() && !before.ends_with('\n');
  show(secret);
  const std::string line = fmt::format("{}{} {}\n", open_end ? "\n" : "", name, hex(hash.data(), hash.size()));
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) fail(path, "cannot be written: {}", std::strerror(errno));
  const bool written = ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  const int error = errno;
  ::close(file);
  if (!written) fail(path, "cannot be written: {}", std::strerror(error));
}

std::shared_ptr<const Key> Keys::find(std::string_view secret) const {
  const auto hash = sha256(secret);
  std::shared_ptr<const Key> found;
  const std::lock_guard lock(mutex_);
  for (const auto& key : keys_) {
    if (CRYPTO_memcmp(key->hash.data(), hash.data(), hash.size()) == 0) found = key;
  }
  return found;
}

std::optional<int> Keys::wait_for(const Key& key) {
  if (key.per_minute == 0) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  const double most = key.per_minute;
  const auto [at, fresh] = buckets_.try_emplace(key.name, Bucket{most, now});
  Bucket& bucket = at->second;
  const double minutes = std::chrono::duration<double, std::ratio<60>>(now - bucket.filled).count();
  bucket.left = std::min(most, bucket.left + minutes * most);
  bucket.filled = now;
  if (bucket.left >= 1) {
    bucket.left -= 1;
    return std::nullopt;
  }
  return static_cast<int>(std::ceil((1 - bucket.left) / most * 60));
}

}  // namespace gemma::serve
