// SPDX-License-Identifier: Apache-2.0
#include "media/ffmpeg/log.h"

#include <gmock/gmock.h>

extern "C" {
#include <libavutil/error.h>
#include <libavutil/log.h>
}

namespace gemma::media {
namespace {

using ::testing::HasSubstr;

TEST(FfmpegLog, EachKeepsWhatIsSaidInItsScope) {
  const FfmpegLog outer;
  {
    const FfmpegLog inner;
    av_log(nullptr, AV_LOG_ERROR, "of the %s one.\n", "inner");
    EXPECT_EQ(inner.reason(AVERROR_EOF), "of the inner one");
  }
  EXPECT_THAT(outer.reason(AVERROR_EOF), HasSubstr("End of file"));
  av_log(nullptr, AV_LOG_WARNING, "not an error");
  av_log(nullptr, AV_LOG_ERROR, "of the outer one");
  av_log(nullptr, AV_LOG_ERROR, "a consequence");
  {
    const FfmpegLog later;
  }
  EXPECT_EQ(outer.reason(AVERROR_EOF), "of the outer one");
}

}  // namespace
}  // namespace gemma::media
