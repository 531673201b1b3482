// SPDX-License-Identifier: Apache-2.0
#include "hub/repository.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "hub/digest.h"

namespace gemma::hub {
namespace {

namespace fs = std::filesystem;
using std::chrono_literals::operator""ms;

constexpr size_t kMostListing = 64 << 20, kMostFiles = 100'000, kSha256 = 64, kGitHash = 40;
constexpr int64_t kMostBytes = int64_t{1} << 50, kMostToken = 4096;
constexpr int kAttempts = 6;                        // that bring nothing, one after the other
constexpr std::chrono::milliseconds kRest = 500ms;  // before it is tried again, twice as long each time
constexpr int kLook = 50;                           // milliseconds between questions whether to go on

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string token_in(const fs::path& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return "";
  std::string token = read_file(file.string(), kMostToken);
  while (!token.empty() && token.back() <= ' ') token.pop_back();
  return token;
}

bool is_hash(std::string_view text, size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string text_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

int64_t bytes_at(const json::object& object) {
  const json::value* value = object.if_contains("size");
  return value != nullptr && value->is_int64() ? value->get_int64() : -1;
}

Result<RemoteFile> file_of(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return Failure{"siblings", "expected objects"};
  RemoteFile file{text_at(*object, "rfilename"), text_at(*object, "blobId"), bytes_at(*object)};
  if (!is_file_name(file.name)) return Failure{"siblings", "expected names of files within the repository"};
  if (const json::value* lfs = object->if_contains("lfs"); lfs != nullptr && lfs->is_object()) {
    file.hash = text_at(lfs->get_object(), "sha256");
    file.bytes = bytes_at(lfs->get_object());
  }
  if (!is_hash(file.hash, kSha256) && !is_hash(file.hash, kGitHash)) return Failure{file.name, "expected a hash"};
  if (file.bytes < 0 || file.bytes > kMostBytes) return Failure{file.name, "expected a size"};
  return file;
}

bool may_pass(int status) { return status == 0 || status == 408 || status == 429 || status >= 500; }

}  // namespace

Endpoint Endpoint::of_environment() {
  Endpoint out;
  if (std::string url = variable("HF_ENDPOINT"); !url.empty()) {
    while (url.ends_with('/')) url.pop_back();
    if (!url.starts_with("https://") && !url.starts_with("http://")) {
      fail("HF_ENDPOINT", "expected an address such as https://huggingface.co, found '{}'", url);
    }
    out.url = std::move(url);
  }
  out.token = variable("HF_TOKEN");
  if (!out.token.empty()) return out;
  const std::string path = variable("HF_TOKEN_PATH"), home = variable("HF_HOME");
  const fs::path usual = home.empty() ? fs::path(variable("HOME")) / ".cache" / "huggingface" : fs::path(home);
  out.token = token_in(path.empty() ? usual / "token" : fs::path(path));
  return out;
}

std::vector<std::string> Listing::names() const {
  std::vector<std::string> names;
  for (const RemoteFile& file : files) names.push_back(file.name);
  return names;
}

const RemoteFile& Listing::of(const std::string& name) const {
  const auto found = std::ranges::find(files, name, &RemoteFile::name);
  GEMMA_CHECK(found != files.end(), "a file of the listing");
  return *found;
}

Result<Listing> parse_listing(const HubName& name, std::string_view text) {
  const auto wrong = [&](std::string what) { return Failure{name.repository(), "the hub's list of files: " + what}; };
  const Result<json::value> parsed = parse_json(text);
  if (!parsed) return wrong(parsed.failure().message());
  const json::object* object = parsed.value().if_object();
  if (object == nullptr) return wrong("expected an object");
  Listing out{text_at(*object, "sha"), {}};
  if (!is_hash(out.commit, kGitHash)) return wrong("sha: expected a commit");
  const json::value* siblings = object->if_contains("siblings");
  if (siblings == nullptr || !siblings->is_array()) return wrong("siblings: expected an array");
  if (siblings->get_array().size() > kMostFiles) return wrong(fmt::format("more than {} files", kMostFiles));
  for (const json::value& each : siblings->get_array()) {
    Result<RemoteFile> file = file_of(each);
    if (!file) return wrong(file.failure().message());
    out.files.push_back(std::move(file).value());
  }
  return out;
}

Repository::Repository(HubName name, Endpoint endpoint, HubCache cache, std::function<bool()> go_on)
    : name_(std::move(name)), endpoint_(std::move(endpoint)), cache_(std::move(cache)), go_on_(std::move(go_on)) {}

std::optional<Listing> Repository::list() {
  const std::string url = fmt::format("{}/api/models/{}/revision/{}?blobs=true", endpoint_.url, name_.repository(),
                                      url_path(name_.revision));
  std::string body;
  HttpReply reply;
  for (int attempt = 1; attempt <= kAttempts; ++attempt) {
    body.clear();
    reply = client_.get({url, endpoint_.token, 0, go_on_, [&](int64_t, std::span<const std::byte> piece) {
                           body.append(reinterpret_cast<const char*>(piece.data()), piece.size());
                           return body.size() <= kMostListing;
                         }});
    if (body.size() > kMostListing) fail(name_.repository(), "the hub's list of files is too long");
    if (reply.stopped || !go_on_()) return std::nullopt;
    if (reply.status == 200 && reply.error.empty()) break;
    if (!may_pass(reply.status) || attempt == kAttempts) refuse(reply, "its list of files");
    rest(attempt);
  }
  Result<Listing> listing = parse_listing(name_, body);
  if (!listing) fail_message("", listing.failure().message());
  return std::move(listing).value();
}

int64_t Repository::missing_bytes(const RemoteFile& file) const {
  const fs::path blob = cache_.blob(name_, file.hash);
  std::error_code error;
  if (fs::exists(blob, error)) return 0;
  const auto here = fs::file_size(blob.string() + ".incomplete", error);
  return error ? file.bytes : std::max<int64_t>(0, file.bytes - static_cast<int64_t>(here));
}

bool Repository::fetch(const Listing& listing, const RemoteFile& file, const std::function<void(int64_t)>& progress) {
  const fs::path blob = cache_.blob(name_, file.hash);
  std::error_code error;
  if (fs::exists(blob, error)) {
    progress(file.bytes);
  } else {
    PartialBlob partial(blob, cache_.lock(name_, file.hash));
    progress(std::min(partial.size(), file.bytes));
    const std::string url =
        fmt::format("{}/{}/resolve/{}/{}", endpoint_.url, name_.repository(), listing.commit, url_path(file.name));
    if (!complete(url, file, partial, progress)) return false;
    check(file, partial);
    if (!go_on_()) return false;
    partial.commit();
  }
  cache_.link(name_, listing.commit, file.name, file.hash);
  return true;
}

bool Repository::complete(const std::string& url, const RemoteFile& file, PartialBlob& partial,
                          const std::function<void(int64_t)>& progress) {
  for (int attempt = 1; partial.size() < file.bytes; ++attempt) {
    const int64_t before = partial.size();
    const HttpReply reply =
        client_.get({url, endpoint_.token, before, go_on_, [&](int64_t begin, std::span<const std::byte> piece) {
                       const int64_t size = partial.size();
                       const bool fits = begin + std::ssize(piece) <= file.bytes && partial.write(begin, piece);
                       progress(partial.size() - size);
                       return fits;
                     }});
    if (!partial.error().empty()) fail(partial.path(), "cannot write: {}", partial.error());
    if (!go_on_()) return false;
    if (reply.stopped) {
      partial.discard();
      fail(name_.repository(), "{}: more comes than the {} bytes that the hub says", file.name, file.bytes);
    }
    if (partial.size() > before) attempt = 0;  // it moves
    if (partial.size() == file.bytes) break;
    if (!may_pass(reply.status) && reply.status != 200 && reply.status != 206) refuse(reply, file.name);
    if (attempt == kAttempts) refuse(reply, file.name);
    rest(attempt);
  }
  return true;
}

void Repository::check(const RemoteFile& file, PartialBlob& partial) const {
  const bool git = file.hash.size() == kGitHash;
  const std::string found = git ? git_hash_of(partial.path(), go_on_) : sha256_of(partial.path(), go_on_);
  if (found.empty() || found == file.hash) return;
  partial.discard();
  fail(name_.repository(), "{}: what came is not what the hub has: expected {} {}, found {}; it is removed", file.name,
       git ? "git hash" : "SHA-256", file.hash, found);
}

void Repository::refuse(const HttpReply& reply, std::string_view what) const {
  const std::string where = name_.repository();
  const std::string page = fmt::format("{}/{}", endpoint_.url, where);
  if (reply.status == 401) {
    fail(where, "{}: {}", what,
         endpoint_.token.empty() ? "there is no such model, or not for everybody: set HF_TOKEN (a token of " +
                                       endpoint_.url + "/settings/tokens)"
                                 : "the hub does not take the token (HF_TOKEN)");
  }
  if (reply.status == 403) fail(where, "{}: not allowed; accept the terms at {} and set HF_TOKEN", what, page);
  if (reply.status == 404) fail(where, "{}: the hub has no such model or revision ({})", what, page);
  if (!reply.error.empty()) fail(where, "{}: {}", what, reply.error);
  fail(where, "{}: the hub answers with status {}", what, reply.status);
}

void Repository::rest(int attempt) const {
  const auto end = std::chrono::steady_clock::now() + kRest * (1 << std::max(0, attempt - 1));
  while (go_on_() && std::chrono::steady_clock::now() < end) ::poll(nullptr, 0, kLook);
}

}  // namespace gemma::hub
