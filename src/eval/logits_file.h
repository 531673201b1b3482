// SPDX-License-Identifier: Apache-2.0
// A file that keeps what a model said of a text, so that a large reference runs once and others are compared with it
// later: for every row that counts its best logits and the log-sum-exp. Little-endian, no padding:
//
//   header   magic "gemma4lg", then u32 version (1), vocabulary, kept, context, skip, stride; u64 tokens, u64 rows;
//            i32 <bos> (-1: none); u32 0
//   tokens   i32 each, the whole text
//   rows     in the order of the text: f64 log-sum-exp, f32 logit of the token that came, i32 its id,
//            kept x i32 ids by falling logit, kept x f32 logits
//
// A reader believes nothing before it is checked: the size must be the one that the header makes, ids lie in the
// vocabulary and occur once, logits fall and fit the log-sum-exp.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "eval/row_scores.h"
#include "eval/windows.h"
#include "file/model_file.h"

namespace gemma {

inline constexpr int kKeptLogits = 1024;

/** Whole or absent: nothing is there before finish(). */
class LogitsWriter {
 public:
  LogitsWriter(const std::string& path, const WindowPlan& plan, int vocab, int kept = kKeptLogits);
  int kept() const { return kept_; }
  void add(const KeptLogits& row, int32_t target);
  void finish();

 private:
  AtomicFile file_;
  const int64_t rows_;
  const int kept_;
  int64_t added_ = 0;
};

class LogitsReader {
 public:
  explicit LogitsReader(std::unique_ptr<ByteSource> source);

  const std::string& name() const { return source_->name(); }
  const WindowPlan& plan() const { return plan_; }
  int vocab() const { return vocab_; }
  int kept() const { return kept_; }
  int64_t rows() const { return rows_; }
  /** The next row, which must be about token `target` of the text. */
  KeptLogits next(int64_t target);

 private:
  void read_header();
  void read_tokens();
  void check(const KeptLogits& row);
  [[noreturn]] void fail_row(std::string_view what) const;

  std::unique_ptr<ByteSource> source_;
  WindowPlan plan_;
  int vocab_ = 0, kept_ = 0;
  int64_t tokens_ = 0, rows_ = 0, at_ = 0, row_ = 0;
  std::vector<int64_t> seen_;  // for each id, the last row (from 1) that it was met in
};

}  // namespace gemma
