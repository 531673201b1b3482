// SPDX-License-Identifier: Apache-2.0
#include "media/ffmpeg/contents.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "base/error.h"

namespace gemma::media {
namespace {

constexpr int64_t kMaxFrames = 10'000'000;
constexpr int64_t kMaxStamp = int64_t{1} << 60;  // of either sign, so that differences are numbers, too
constexpr int kSide = 16;                        // pixels of the small pictures that are compared

using Small = std::array<uint8_t, kSide * kSide * 3>;

/** Makes small pictures of frames, with a scaler that is kept while frames are alike. */
class Shrinker {
 public:
  explicit Shrinker(const std::string& where) : where_(where) {}

  Small of(const AVFrame& frame) {
    SwsContext* old = scaler_.release();
    scaler_.reset(sws_getCachedContext(old, frame.width, frame.height, static_cast<AVPixelFormat>(frame.format), kSide,
                                       kSide, AV_PIX_FMT_RGB24, SWS_AREA, nullptr, nullptr, nullptr));
    if (scaler_ == nullptr) fail(where_, "pixels of a kind that cannot be turned into RGB");
    Small out{};
    uint8_t* planes[4] = {out.data(), nullptr, nullptr, nullptr};
    const int strides[4] = {kSide * 3, 0, 0, 0};
    sws_scale(scaler_.get(), frame.data, frame.linesize, 0, frame.height, planes, strides);
    return out;
  }

 private:
  const std::string& where_;
  Scaler scaler_;
};

float difference(const Small& a, const Small& b) {
  int64_t sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return static_cast<float>(sum) / (255.0f * static_cast<float>(a.size()));
}

}  // namespace

AVStream& picture_stream(Container& container) {
  AVStream* stream = container.choose(AVMEDIA_TYPE_VIDEO);
  if (stream == nullptr) fail(container.name(), "holds no pictures");
  return *stream;
}

Contents read_contents(const FileBytes& file, const FilmOptions& options) {
  Container container(file);
  const AVStream& stream = picture_stream(container);
  Contents out;
  out.base = stream.time_base;
  const Packet packet(av_packet_alloc());
  while (container.read(*packet)) {
    if ((packet->flags & AV_PKT_FLAG_DISCARD) != 0) continue;
    const int64_t stamp = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (stamp < -kMaxStamp || stamp > kMaxStamp) fail(file.name(), "frames without times that make sense");
    if (std::ssize(out.stamps) >= kMaxFrames) fail(file.name(), "expected at most {} frames", kMaxFrames);
    out.stamps.push_back(stamp);
    if ((packet->flags & AV_PKT_FLAG_KEY) != 0) out.keys.push_back(stamp);
  }
  if (out.stamps.empty()) fail(file.name(), "holds no pictures");
  std::sort(out.stamps.begin(), out.stamps.end());
  std::sort(out.keys.begin(), out.keys.end());
  const double last = seconds(out.stamps.back() - out.stamps.front(), out.base);
  const auto frames = static_cast<double>(out.stamps.size());
  const AVRational mean = stream.avg_frame_rate;
  out.fps = mean.num > 0 && mean.den > 0 ? av_q2d(mean) : last > 0 ? (frames - 1) / last : 24;
  out.length = last + 1 / out.fps;
  if (out.length > options.max_seconds) {
    fail(file.name(), "a film of {:g} seconds: expected at most {:g} (--max-seconds)", out.length, options.max_seconds);
  }
  out.steady = true;
  for (size_t i = 0; i < out.stamps.size() && out.steady; ++i) {
    const double at = seconds(out.stamps[i] - out.stamps.front(), out.base);
    out.steady = std::fabs(at - static_cast<double>(i) / out.fps) < 0.5 / out.fps;
  }
  return out;
}

std::vector<Change> read_changes(const FileBytes& file, const Contents& contents, const FilmOptions& options,
                                 int64_t enough) {
  Container container(file);
  const CodecContext decoder = container.open_decoder(picture_stream(container), options.max_pixels);
  if (std::ssize(contents.keys) >= enough) decoder->skip_frame = AVDISCARD_NONKEY;
  const Packet packet(av_packet_alloc());
  const Frame frame(av_frame_alloc());
  Shrinker shrinker(container.name());
  std::vector<Change> out;
  Small before{};
  const auto take_frames = [&] {
    while (avcodec_receive_frame(decoder.get(), frame.get()) >= 0) {
      const int64_t stamp = frame->best_effort_timestamp;
      const auto found = std::lower_bound(contents.stamps.begin(), contents.stamps.end(), stamp);
      if (found == contents.stamps.end() || *found != stamp) continue;
      const int64_t index = found - contents.stamps.begin();
      if (!out.empty() && index <= out.back().index) continue;
      const Small small = shrinker.of(*frame);
      out.push_back({index, contents.time_of(index), out.empty() ? 0.0f : difference(small, before)});
      before = small;
    }
  };
  while (container.read(*packet)) {
    avcodec_send_packet(decoder.get(), packet.get());
    take_frames();
  }
  avcodec_send_packet(decoder.get(), nullptr);
  take_frames();
  if (out.empty()) fail(container.name(), "none of its frames can be decoded");
  return out;
}

}  // namespace gemma::media
