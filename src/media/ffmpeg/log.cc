// SPDX-License-Identifier: Apache-2.0
#include "media/ffmpeg/log.h"

#include <array>
#include <cstdarg>
#include <cstdio>
#include <string>
#include <utility>

#include "base/error.h"

extern "C" {
#include <libavutil/error.h>
#include <libavutil/log.h>
}

namespace gemma::media {
namespace {

thread_local std::string* complaint = nullptr;  // of the innermost log

void on_log(void*, int level, const char* format, va_list arguments) {
  if (complaint == nullptr || level > AV_LOG_ERROR || !complaint->empty()) return;
  std::array<char, 300> text{};
  std::vsnprintf(text.data(), text.size(), format, arguments);
  *complaint = text.data();
  while (!complaint->empty() && (complaint->back() == '\n' || complaint->back() == '.')) complaint->pop_back();
}

}  // namespace

FfmpegLog::FfmpegLog() : outer_(std::exchange(complaint, &complaint_)) { av_log_set_callback(on_log); }
FfmpegLog::~FfmpegLog() { complaint = outer_; }

std::string FfmpegLog::reason(int status) const {
  if (!complaint_.empty()) return complaint_;
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(status, text.data(), text.size());
  return text.data();
}

int checked(const FfmpegLog& log, int status, std::string_view where, std::string_view action) {
  if (status < 0) fail(where, "cannot {}: {}", action, log.reason(status));
  return status;
}

}  // namespace gemma::media
