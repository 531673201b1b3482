// SPDX-License-Identifier: Apache-2.0
// The sound of m4a, WebM, films: FFmpeg's decoders, our mixing and resampling.
#include "media/sound.h"

#include <cmath>
#include <memory>
#include <vector>

#include "base/error.h"
#include "media/decoders.h"
#include "media/ffmpeg/container.h"

extern "C" {
#include <libavutil/channel_layout.h>
}

namespace gemma::media {
namespace {

/** Damage that is passed over: one packet in ten. */
constexpr int64_t kBadShare = 10;

class SoundTrack {
 public:
  SoundTrack(Container& container, const AVStream& stream, const SoundOptions& options)
      : container_(container), stream_(stream), options_(options), decoder_(container.open_decoder(stream, 0)) {}

  Sound decode() {
    const Packet packet(av_packet_alloc());
    while (container_.read(*packet)) {
      ++packets_;
      if (avcodec_send_packet(decoder_.get(), packet.get()) < 0) ++bad_;
      take_frames();
    }
    avcodec_send_packet(decoder_.get(), nullptr);
    take_frames();
    if (builder_ == nullptr || bad_ * kBadShare > packets_) {
      fail(container_.name(), "cannot decode its sound: {} of {} packets are damaged", bad_, packets_);
    }
    return builder_->finish(container_.kind());
  }

 private:
  void take_frames() {
    const Frame frame(av_frame_alloc());
    while (avcodec_receive_frame(decoder_.get(), frame.get()) >= 0) {
      if (builder_ == nullptr) begin(*frame);
      if (frame->sample_rate != rate_ || frame->ch_layout.nb_channels != channels_ || frame->format != format_) {
        fail(container_.name(), "its sound changes from {} channels at {} Hz to {} at {} Hz", channels_, rate_,
             frame->ch_layout.nb_channels, frame->sample_rate);
      }
      const auto samples = static_cast<size_t>(frame->nb_samples);
      block_.resize(samples * static_cast<size_t>(channels_));
      uint8_t* out = reinterpret_cast<uint8_t*>(block_.data());
      const int got = swr_convert(converter_.get(), &out, frame->nb_samples,
                                  const_cast<const uint8_t**>(frame->extended_data), frame->nb_samples);
      checked(container_.log(), got, container_.name(), "convert its sound");
      builder_->add(std::span(block_).first(static_cast<size_t>(got) * static_cast<size_t>(channels_)));
    }
  }

  /** Sound that begins after the film does is preceded by silence, so that times are those of the film. */
  void begin(AVFrame& frame) {
    rate_ = frame.sample_rate;
    channels_ = frame.ch_layout.nb_channels;
    format_ = frame.format;
    builder_ = std::make_unique<SoundBuilder>(container_.name(), rate_, channels_, options_.max_seconds);
    SwrContext* converter = nullptr;
    checked(container_.log(),
            swr_alloc_set_opts2(&converter, &frame.ch_layout, AV_SAMPLE_FMT_FLT, rate_, &frame.ch_layout,
                                static_cast<AVSampleFormat>(frame.format), rate_, 0, nullptr),
            container_.name(), "convert its sound");
    converter_.reset(converter);
    checked(container_.log(), swr_init(converter_.get()), container_.name(), "convert its sound");
    const int64_t film_start = container_.format().start_time;
    if (frame.pts == AV_NOPTS_VALUE || film_start == AV_NOPTS_VALUE) return;
    const double late = seconds(frame.pts, stream_.time_base) - seconds(film_start, {1, AV_TIME_BASE});
    if (!(late > 0.02)) return;
    if (late > options_.max_seconds) fail(container_.name(), "its sound begins after {:g} seconds", late);
    const std::vector<float> silence(static_cast<size_t>(channels_) * 1024);
    for (auto left = static_cast<int64_t>(std::llround(late * rate_)); left > 0; left -= 1024) {
      builder_->add(std::span(silence).first(static_cast<size_t>(std::min<int64_t>(left, 1024) * channels_)));
    }
  }

  Container& container_;
  const AVStream& stream_;
  const SoundOptions& options_;
  CodecContext decoder_;
  Resampler converter_;
  std::unique_ptr<SoundBuilder> builder_;
  std::vector<float> block_;
  int rate_ = 0, channels_ = 0, format_ = 0;
  int64_t packets_ = 0, bad_ = 0;
};

}  // namespace

Sound decode_sound_by_ffmpeg(const FileBytes& file, const SoundOptions& options) {
  Container container(file);
  const AVStream* stream = container.choose(AVMEDIA_TYPE_AUDIO);
  if (stream == nullptr) fail(file.name(), "holds no sound");
  const int64_t length = container.format().duration;
  if (length > 0 && seconds(length, {1, AV_TIME_BASE}) > options.max_seconds + 1) {
    fail(file.name(), "{:g} seconds of sound: expected at most {:g} (--max-seconds)",
         seconds(length, {1, AV_TIME_BASE}), options.max_seconds);
  }
  return SoundTrack(container, *stream, options).decode();
}

}  // namespace gemma::media
