// SPDX-License-Identifier: Apache-2.0
#include "hub/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace gemma::hub {
namespace {

constexpr int64_t kBlock = 4 << 20;

std::string digest(const std::string& path, const EVP_MD* kind, std::string_view head,
                   const std::function<bool()>& go_on) {
  const File file = File::open(path);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  bool works = context != nullptr && EVP_DigestInit_ex(context.get(), kind, nullptr) == 1 &&
               EVP_DigestUpdate(context.get(), head.data(), head.size()) == 1;
  std::vector<std::byte> block(static_cast<size_t>(std::min(kBlock, std::max<int64_t>(file.size(), 1))));
  for (int64_t place = 0; works && place < file.size();) {
    if (!go_on()) return "";
    const std::span part = std::span(block).first(static_cast<size_t>(std::min(kBlock, file.size() - place)));
    file.read(place, part);
    works = EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
    place += std::ssize(part);
  }
  unsigned char value[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  works = works && EVP_DigestFinal_ex(context.get(), value, &size) == 1;
  if (!works) fail(path, "OpenSSL cannot hash it");
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", value[i]);
  return text;
}

}  // namespace

std::string sha256_of(const std::string& path, const std::function<bool()>& go_on) {
  return digest(path, EVP_sha256(), "", go_on);
}

std::string git_hash_of(const std::string& path, const std::function<bool()>& go_on) {
  std::string head = fmt::format("blob {}", File::open(path).size());
  head.push_back('\0');
  return digest(path, EVP_sha1(), head, go_on);
}

}  // namespace gemma::hub
