// SPDX-License-Identifier: Apache-2.0
#include "text/whole_pieces.h"

namespace gemma {

WholePieces::WholePieces() : nodes_(1) { starts_.fill(-1); }

int32_t WholePieces::child_of(int32_t node, char byte) const {
  if (node == 0) return starts_[static_cast<uint8_t>(byte)];
  int32_t child = nodes_[static_cast<size_t>(node)].child;
  while (child >= 0 && nodes_[static_cast<size_t>(child)].byte != byte) {
    child = nodes_[static_cast<size_t>(child)].sibling;
  }
  return child;
}

void WholePieces::add(std::string_view piece, int32_t id, bool control) {
  int32_t node = 0;
  for (const char byte : piece) {
    int32_t child = child_of(node, byte);
    if (child < 0) {
      child = static_cast<int32_t>(nodes_.size());
      nodes_.push_back({.sibling = nodes_[static_cast<size_t>(node)].child, .byte = byte});
      nodes_[static_cast<size_t>(node)].child = child;
      if (node == 0) starts_[static_cast<uint8_t>(byte)] = child;
    }
    node = child;
  }
  if (node == 0) return;
  nodes_[static_cast<size_t>(node)].id = id;
  nodes_[static_cast<size_t>(node)].control = control;
}

WholePieces::Match WholePieces::next(std::string_view text, size_t from, Specials specials) const {
  for (size_t begin = from; begin < text.size();) {
    int32_t node = starts_[static_cast<uint8_t>(text[begin])];
    int32_t found = -1;
    size_t end = begin;
    for (size_t at = begin; node >= 0;) {
      ++at;
      if (nodes_[static_cast<size_t>(node)].id >= 0) found = node, end = at;
      node = at < text.size() ? child_of(node, text[at]) : -1;
    }
    if (found < 0) {
      ++begin;
      continue;
    }
    const Node& piece = nodes_[static_cast<size_t>(found)];
    if (!piece.control || specials == Specials::control) return {begin, end, piece.id};
    begin = end;
  }
  return {text.size(), text.size(), -1};
}

}  // namespace gemma
