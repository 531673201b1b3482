// SPDX-License-Identifier: Apache-2.0
#include "eval/logits_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace gemma {
namespace {

constexpr std::string_view kMagic = "gemma4lg";
constexpr uint32_t kVersion = 1;
constexpr int kMostVocab = 1 << 24;

struct Header {
  std::array<char, 8> magic;
  uint32_t version, vocab, kept, context, skip, stride;
  uint64_t tokens, rows;
  int32_t bos;
  uint32_t zero;
};
static_assert(sizeof(Header) == 56);

struct RowHead {
  double log_sum_exp;
  float target_logit;
  int32_t target;
};
static_assert(sizeof(RowHead) == 16);

int64_t row_bytes(int kept) { return static_cast<int64_t>(sizeof(RowHead)) + int64_t{8} * kept; }

template <class T>
std::span<std::byte> bytes_in(std::vector<T>& values) {
  return std::as_writable_bytes(std::span(values));
}

}  // namespace

LogitsWriter::LogitsWriter(const std::string& path, const WindowPlan& plan, int vocab, int kept)
    : file_(path), rows_(plan.rows()), kept_(std::min(kept, vocab)) {
  Header h{};
  std::copy(kMagic.begin(), kMagic.end(), h.magic.begin());
  h.version = kVersion;
  h.vocab = static_cast<uint32_t>(vocab), h.kept = static_cast<uint32_t>(kept_);
  h.context = static_cast<uint32_t>(plan.options.context), h.skip = static_cast<uint32_t>(plan.options.skip);
  h.stride = static_cast<uint32_t>(plan.options.stride);
  h.tokens = plan.tokens.size(), h.rows = static_cast<uint64_t>(rows_);
  h.bos = plan.bos.value_or(-1);
  file_.reserve(static_cast<int64_t>(sizeof h + plan.tokens.size() * sizeof(int32_t)) + rows_ * row_bytes(kept_));
  file_.write(std::as_bytes(std::span(&h, 1)));
  file_.write(std::as_bytes(std::span(plan.tokens)));
}

void LogitsWriter::add(const KeptLogits& row, int32_t target) {
  GEMMA_CHECK(std::ssize(row.ids) == kept_ && std::ssize(row.values) == kept_, "as many logits as the header says");
  const RowHead head{row.log_sum_exp, row.target_logit, target};
  std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(kept_)));
  std::byte* to = bytes.data();
  for (const auto part :
       {std::as_bytes(std::span(&head, 1)), std::as_bytes(std::span(row.ids)), std::as_bytes(std::span(row.values))}) {
    to = std::copy(part.begin(), part.end(), to);
  }
  file_.write(bytes);
  ++added_;
}

void LogitsWriter::finish() {
  GEMMA_CHECK(added_ == rows_, "every row was written");
  file_.commit();
}

LogitsReader::LogitsReader(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {
  read_header();
  read_tokens();
  seen_.resize(static_cast<size_t>(vocab_));
}

void LogitsReader::read_header() {
  const int64_t size = source_->size();
  Header h{};
  if (size < static_cast<int64_t>(sizeof h)) {
    fail(name(), "no file of logits: expected a header of {} bytes, found {} bytes", sizeof h, size);
  }
  source_->read(0, std::as_writable_bytes(std::span(&h, 1)));
  if (std::string_view(h.magic.data(), h.magic.size()) != kMagic) {
    fail(name(), "no file of logits (--save-logits writes one): it does not begin with '{}'", kMagic);
  }
  if (h.version != kVersion) fail(name(), "version: expected {}, found {}", kVersion, h.version);
  if (h.vocab < 1 || h.vocab > kMostVocab) fail(name(), "vocabulary: expected 1 to {}, found {}", kMostVocab, h.vocab);
  if (h.kept < 1 || h.kept > h.vocab) fail(name(), "kept logits: expected 1 to {}, found {}", h.vocab, h.kept);
  constexpr auto kMost = static_cast<uint32_t>(std::numeric_limits<int32_t>::max());
  if (std::max({h.context, h.skip, h.stride}) > kMost) fail(name(), "the windows' sizes are out of bounds");
  plan_.options = {static_cast<int>(h.context), static_cast<int>(h.skip), static_cast<int>(h.stride)};
  if (const auto fault = fault_in(plan_.options)) fail(name(), "{}: {}", fault->field, fault->reason);
  if (h.bos < -1 || h.bos >= static_cast<int64_t>(h.vocab)) fail(name(), "<bos>: {} is no id", h.bos);
  if (h.bos >= 0) plan_.bos = h.bos;
  if (h.zero != 0) fail(name(), "the header's last word: expected 0, found {}", h.zero);
  vocab_ = static_cast<int>(h.vocab), kept_ = static_cast<int>(h.kept);

  const auto body = static_cast<uint64_t>(size - static_cast<int64_t>(sizeof h));
  const auto row = static_cast<uint64_t>(row_bytes(kept_));
  const bool fits = h.tokens <= body / sizeof(int32_t) && h.rows <= body / row;
  if (!fits || h.tokens * sizeof(int32_t) + h.rows * row != body) {
    fail(name(), "{} tokens and {} rows of {} bytes are not what {} bytes hold: cut off or damaged", h.tokens, h.rows,
         row, size);
  }
  tokens_ = static_cast<int64_t>(h.tokens), rows_ = static_cast<int64_t>(h.rows);
  at_ = static_cast<int64_t>(sizeof h);
}

void LogitsReader::read_tokens() {
  std::vector<int32_t> tokens(static_cast<size_t>(tokens_));
  source_->read(at_, bytes_in(tokens));
  at_ += tokens_ * static_cast<int64_t>(sizeof(int32_t));
  for (const int32_t id : tokens) {
    if (id < 0 || id >= vocab_) fail(name(), "token: expected an id from 0 to {}, found {}", vocab_ - 1, id);
  }
  plan_ = plan_windows(name(), std::move(tokens), plan_.bos, plan_.options);
  if (plan_.rows() != rows_) fail(name(), "rows: expected {} for these windows, found {}", plan_.rows(), rows_);
}

void LogitsReader::fail_row(std::string_view what) const { fail(name(), "row {}: {}", row_, what); }

void LogitsReader::check(const KeptLogits& row) {
  if (!std::isfinite(row.log_sum_exp) || !std::isfinite(row.target_logit)) fail_row("a number that is not finite");
  for (size_t i = 0; i < row.ids.size(); ++i) {
    const int32_t id = row.ids[i];
    if (id < 0 || id >= vocab_) fail_row(fmt::format("expected ids from 0 to {}, found {}", vocab_ - 1, id));
    if (std::exchange(seen_[static_cast<size_t>(id)], row_ + 1) == row_ + 1) {
      fail_row(fmt::format("id {} is there twice", id));
    }
    if (std::isnan(row.values[i]) || (i > 0 && row.values[i] > row.values[i - 1])) {
      fail_row("the logits do not fall");
    }
  }
  // One of the terms in the sum, and all of them at most as large as the largest.
  const double above = row.log_sum_exp - static_cast<double>(row.values[0]);
  constexpr double kRounding = 1e-6;
  if (!(above >= -kRounding && above <= std::log(vocab_) + kRounding)) {
    fail_row("the log-sum-exp does not fit the largest logit");
  }
}

KeptLogits LogitsReader::next(int64_t target) {
  GEMMA_CHECK(row_ < rows_, "as many rows as the plan has");
  RowHead head{};
  KeptLogits row;
  row.ids.resize(static_cast<size_t>(kept_)), row.values.resize(static_cast<size_t>(kept_));
  const int64_t ids = static_cast<int64_t>(row.ids.size() * sizeof(int32_t));
  source_->read(at_, std::as_writable_bytes(std::span(&head, 1)));
  source_->read(at_ + static_cast<int64_t>(sizeof head), bytes_in(row.ids));
  source_->read(at_ + static_cast<int64_t>(sizeof head) + ids, bytes_in(row.values));
  at_ += row_bytes(kept_);
  row.log_sum_exp = head.log_sum_exp, row.target_logit = head.target_logit;
  const int32_t token = plan_.tokens[static_cast<size_t>(target)];
  if (head.target != token) fail_row(fmt::format("expected token {}, found {}", token, head.target));
  check(row);
  ++row_;
  return row;
}

}  // namespace gemma
