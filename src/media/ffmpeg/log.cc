// SPDX-License-Identifier: Apache-2.0
#include "media/ffmpeg/log.h"

#include <array>
#include <cstdarg>
#include <cstdio>
#include <string>

#include "base/error.h"

extern "C" {
#include <libavutil/error.h>
#include <libavutil/log.h>
}

namespace gemma::media {
namespace {

thread_local std::string* complaint = nullptr;

void on_log(void*, int level, const char* format, va_list arguments) {
  if (complaint == nullptr || level > AV_LOG_ERROR || !complaint->empty()) return;
  std::array<char, 300> text{};
  std::vsnprintf(text.data(), text.size(), format, arguments);
  *complaint = text.data();
  while (!complaint->empty() && (complaint->back() == '\n' || complaint->back() == '.')) complaint->pop_back();
}

}  // namespace

FfmpegLog::FfmpegLog() {
  delete complaint;
  complaint = new std::string;
  av_log_set_callback(on_log);
}
FfmpegLog::~FfmpegLog() {
  delete complaint;
  complaint = nullptr;
}

std::string FfmpegLog::reason(int status) const {
  if (complaint != nullptr && !complaint->empty()) return *complaint;
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(status, text.data(), text.size());
  return text.data();
}

int checked(const FfmpegLog& log, int status, std::string_view where, std::string_view action) {
  if (status < 0) fail(where, "cannot {}: {}", action, log.reason(status));
  return status;
}

}  // namespace gemma::media
