// SPDX-License-Identifier: Apache-2.0
#include "kv/prefix_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "base/keyed_hash.h"

namespace gemma {
namespace {

constexpr std::string_view kMagic = "gemma4kv";
constexpr uint32_t kVersion = 1;
constexpr int64_t kMostTokens = std::numeric_limits<int32_t>::max();

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/** Takes numbers from the front; what is not there any more is 0, and `whole` says so. */
struct Parser {
  std::string_view left;
  bool whole = true;

  std::string_view take(size_t bytes) {
    whole = whole && bytes <= left.size();
    if (!whole) return {};
    const std::string_view taken = left.substr(0, bytes);
    left.remove_prefix(bytes);
    return taken;
  }
  template <class T>
  T number() {
    T value{};
    const std::string_view bytes = take(sizeof value);
    if (whole) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  /** How many of `bytes` each follow: not more than there are. */
  size_t count(size_t bytes) {
    const size_t n = number<uint32_t>();
    whole = whole && n <= left.size() / bytes;
    return whole ? n : 0;
  }
};

uint64_t hash_of(const PageForm& form, std::string_view bytes, uint64_t number) {
  return form.hash(std::as_bytes(std::span(bytes)), number);
}

std::string head_of(const PageForm& form, uint32_t nodes) {
  std::string head(kMagic);
  put(head, kVersion);
  put(head, static_cast<uint32_t>(form.page_size));
  for (const uint64_t word : form.fingerprint.words) put(head, word);
  put(head, static_cast<uint32_t>(form.page_bytes.size()));
  for (const int64_t bytes : form.page_bytes) put(head, bytes);
  put(head, nodes);
  put(head, hash_of(form, head, 0));
  return head;
}

std::string bytes_of(const StoredNode& node) {
  std::string out;
  put(out, node.parent);
  put(out, node.salt);
  put(out, node.age);
  put(out, static_cast<uint32_t>(node.tokens.size()));
  for (const int32_t token : node.tokens) put(out, token);
  put(out, static_cast<uint32_t>(node.media.size()));
  for (const PrefixMedia& each : node.media) {
    put(out, each.first);
    put(out, each.rows);
    put(out, static_cast<uint64_t>(each.bidirectional));
    put(out, each.content);
  }
  for (const StoredPage& each : node.pages) {
    put(out, each.page);
    put(out, each.hash);
  }
  return out;
}

std::optional<StoredNode> node_of(const PageForm& form, std::string_view bytes) {
  Parser in{bytes};
  StoredNode node;
  node.parent = in.number<int32_t>();
  node.salt = in.number<uint64_t>();
  node.age = in.number<int64_t>();
  node.tokens.resize(in.count(sizeof(int32_t)));
  for (int32_t& token : node.tokens) token = in.number<int32_t>();
  node.media.resize(in.count(4 * sizeof(int64_t)));
  for (PrefixMedia& each : node.media) {
    each.first = in.number<int64_t>();
    each.rows = in.number<int64_t>();
    each.bidirectional = in.number<uint64_t>() != 0;
    each.content = in.number<uint64_t>();
  }
  node.pages.resize(form.page_bytes.size());
  for (StoredPage& each : node.pages) {
    each.page = in.number<int32_t>();
    each.hash = in.number<uint64_t>();
  }
  return in.whole && in.left.empty() ? std::optional(std::move(node)) : std::nullopt;
}

/** `index`: of its page in the text. */
bool is_sound(const PageForm& form, const StoredNode& node, int64_t index) {
  const int64_t begin = index * form.page_size, end = begin + std::ssize(node.tokens);
  if (node.tokens.empty() || std::ssize(node.tokens) > form.page_size || end > kMostTokens) return false;
  int64_t behind = 0;
  for (const PrefixMedia& run : node.media) {
    if (run.first < behind || run.rows < 1 || run.rows > kMostTokens || run.first >= end) return false;
    behind = run.first + run.rows;
    if (behind <= begin) return false;
  }
  return true;
}

}  // namespace

uint64_t PageForm::hash(std::span<const std::byte> bytes, uint64_t number) const {
  return keyed_hash(bytes, {fingerprint.words[0] ^ number, fingerprint.words[1]});
}

std::string write_index(const PageForm& form, std::span<const StoredNode> nodes) {
  std::string out = head_of(form, static_cast<uint32_t>(nodes.size()));
  for (size_t i = 0; i < nodes.size(); ++i) {
    const std::string node = bytes_of(nodes[i]);
    put(out, static_cast<uint32_t>(node.size()));
    out += node;
    put(out, hash_of(form, node, i));
  }
  return out;
}

PrefixIndex read_index(const PageForm& form, std::string_view bytes) {
  PrefixIndex result;
  Parser in{bytes};
  const std::string expected = head_of(form, 0);  // but for the nodes and the hash
  const std::string_view head = in.take(expected.size());
  const size_t known = expected.size() - sizeof(uint32_t) - sizeof(uint64_t);
  Parser rest{head.substr(std::min(head.size(), known))};
  const auto nodes = rest.number<uint32_t>();
  if (!rest.whole || head != head_of(form, nodes)) {
    result.damage = "its head is not what was written: it is begun anew";
    return result;
  }
  std::vector<int64_t> indices;  // of each node's page
  while (result.nodes.size() < nodes) {
    const size_t number = result.nodes.size();
    const std::string_view record = in.take(in.number<uint32_t>());
    const auto hash = in.number<uint64_t>();
    std::optional<StoredNode> node;
    if (in.whole && hash == hash_of(form, record, number)) node = node_of(form, record);
    const bool placed = node && node->parent >= -1 && node->parent < static_cast<int64_t>(number);
    const size_t parent = placed && node->parent >= 0 ? static_cast<size_t>(node->parent) : number;
    const int64_t index = parent < number ? indices[parent] + 1 : 0;
    const bool follows = parent == number || std::ssize(result.nodes[parent].tokens) == form.page_size;
    if (!placed || !follows || !is_sound(form, *node, index)) {
      result.damage = fmt::format("it is not what was written from byte {} on: {} of {} pages of text are lost",
                                  bytes.size() - in.left.size(), nodes - number, nodes);
      return result;
    }
    indices.push_back(index);
    result.nodes.push_back(std::move(*node));
  }
  return result;
}

}  // namespace gemma
