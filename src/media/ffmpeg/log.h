// SPDX-License-Identifier: Apache-2.0
// What FFmpeg has to say, for our one line: it prints nothing by itself.
#pragma once

#include <string>
#include <string_view>

namespace gemma::media {

/** From here to the end of the scope FFmpeg's complaints of this thread are kept, the first of them to be asked for.
 * One within another has those of its own scope. */
class FfmpegLog {
 public:
  FfmpegLog();
  FfmpegLog(const FfmpegLog&) = delete;
  FfmpegLog& operator=(const FfmpegLog&) = delete;
  ~FfmpegLog();

  /** What it complained of, else what `status` means. */
  std::string reason(int status) const;

 private:
  std::string complaint_;
  std::string* outer_;  // where complaints went before
};

/** Fails with "cannot {action}: {reason}" where status is an error. Returns it otherwise. */
int checked(const FfmpegLog& log, int status, std::string_view where, std::string_view action);

}  // namespace gemma::media
