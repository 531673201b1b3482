// SPDX-License-Identifier: Apache-2.0
#include "cpu/buffer_range.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "base/memory.h"

namespace gemma::cpu {
namespace {

constexpr int64_t kLine = 64;
constexpr int64_t kHugePage = int64_t{2} << 20;

int64_t rounded(int64_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

}  // namespace

BufferRange::BufferRange(int64_t limit) : data_(reserve_memory(limit)), limit_(data_ == nullptr ? 0 : limit) {
  if (limit_ > 0) gaps_.push_back({0, limit_});
}

BufferRange::~BufferRange() {
  if (data_ != nullptr) give_back_memory(data_, limit_);
}

std::byte* BufferRange::take(int64_t bytes) {
  const int64_t length = rounded(bytes);
  const auto gap = std::ranges::find_if(gaps_, [&](const Gap& g) { return g.end - g.begin >= length; });
  if (gap == gaps_.end()) return nullptr;
  std::byte* data = data_ + gap->begin;
  gap->begin += length;
  recent_ = std::max(recent_, gap->begin);
  held_ = std::max(held_, gap->begin);
  if (gap->begin == gap->end) gaps_.erase(gap);
  return data;
}

void BufferRange::give_back(std::byte* data, int64_t bytes) {
  GEMMA_CHECK(holds(data), "a buffer of this range");
  const int64_t begin = data - data_, end = begin + rounded(bytes);
  auto next = std::ranges::lower_bound(gaps_, begin, {}, &Gap::begin);
  if (next != gaps_.end() && next->begin == end) {
    next->begin = begin;
  } else {
    next = gaps_.insert(next, {begin, end});
  }
  if (next != gaps_.begin() && std::prev(next)->end == begin) {
    next->begin = std::prev(next)->begin;
    gaps_.erase(std::prev(next));
  }
}

bool BufferRange::holds(const std::byte* data) const {
  return data_ != nullptr && data >= data_ && data < data_ + limit_;
}

int64_t BufferRange::top() const { return gaps_.empty() || gaps_.back().end != limit_ ? limit_ : gaps_.back().begin; }

void BufferRange::trim() {
  const int64_t keep = std::min((recent_ + kHugePage - 1) / kHugePage * kHugePage, limit_);
  if (keep < held_) {
    forget_memory(data_ + keep, held_ - keep);
    held_ = keep;
  }
  recent_ = top();
}

}  // namespace gemma::cpu
