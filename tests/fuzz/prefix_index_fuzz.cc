// SPDX-License-Identifier: Apache-2.0
// The index of prefixes on disk: as bytes that may be anything, and as nodes that may be anything behind good hashes.
// Links: kv
#include <set>

#include "fuzz/fuzz.h"
#include "kv/prefix_index.h"
#include "kv/prefix_tree.h"

namespace gemma::fuzz {
namespace {

constexpr int kPages = 64, kPageSize = 4;

class Pages final : public CountedPages {
 public:
  Pages() : CountedPages(100) { refs_.assign(kPages, 1); }
};

const PageForm& form() {
  static const PageForm form{Fingerprint::of("fuzz"), kPageSize, {100, 100}};
  return form;
}

/** Small numbers, so that nodes often fit one another. */
struct Numbers {
  const uint8_t* data;
  size_t left;
  int next(int below) { return left == 0 ? 0 : (--left, *data++ % below); }
};

std::vector<StoredNode> nodes_of(Numbers in) {
  std::vector<StoredNode> nodes;
  while (in.left > 0 && nodes.size() < 40) {
    StoredNode& node = nodes.emplace_back();
    node.parent = in.next(static_cast<int>(nodes.size()) + 1) - 1;
    node.salt = static_cast<uint64_t>(in.next(2));
    node.age = in.next(4) - 1;
    node.tokens.resize(in.next(8) == 0 ? static_cast<size_t>(in.next(7)) : kPageSize);
    for (int32_t& token : node.tokens) token = in.next(2);
    for (int runs = in.next(5) - 2; runs > 0; --runs) {
      node.media.push_back({in.next(40) - 1, in.next(12) - 1, in.next(2) != 0, static_cast<uint64_t>(in.next(3))});
    }
    for (int group = 0; group < 2; ++group) node.pages.push_back({in.next(kPages + 8) - 4, 0});
  }
  return nodes;
}

/** Pages that are there, each for one node. */
void claim(std::vector<StoredNode>& nodes) {
  std::set<std::pair<size_t, int32_t>> taken;
  for (StoredNode& node : nodes) {
    for (size_t g = 0; g < node.pages.size(); ++g) {
      int32_t& page = node.pages[g].page;
      if (page < 0 || page >= kPages || !taken.insert({g, page}).second) page = -1;
    }
  }
}

void plant(std::vector<StoredNode> nodes) {
  claim(nodes);
  PageGroups groups;
  groups.groups = {{{0}, 6, 1, 1}, {{1}, 0, 1, 1}};
  Pages windowed, full;
  PrefixTree tree(groups, kPageSize, {&windowed, &full});
  tree.plant(nodes);
  for (const PrefixNode* node : tree.nodes()) {
    PrefixKey text = tree.text_of(*node);
    text.tokens.push_back(-1);
    if (tree.find(text).length >= static_cast<int>(text.tokens.size())) __builtin_trap();
  }
  while (tree.forget_oldest()) {
  }
  if (!tree.nodes().empty()) __builtin_trap();
  for (int32_t page = 0; page < kPages; ++page) {
    if (windowed.refs(page) != 1 || full.refs(page) != 1) __builtin_trap();
  }
}

void use(const uint8_t* data, size_t size) {
  const bool nodes = size > 0 && data[0] % 2 != 0;
  const std::string made = nodes ? write_index(form(), nodes_of({data + 1, size - 1})) : std::string(text(data, size));
  plant(read_index(form(), made).nodes);
}

}  // namespace
}  // namespace gemma::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gemma::fuzz::refuses_or_reads([&] { gemma::fuzz::use(data, size); });
}
