// SPDX-License-Identifier: Apache-2.0
// Films by FFmpeg. The file is gone through twice: packets are counted without decoding any, so that frames can be
// chosen; then the chosen ones are decoded, each from the key frame before it.
#include "media/film.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "base/error.h"
#include "media/decoders.h"
#include "media/ffmpeg/container.h"
#include "media/ffmpeg/picture.h"

extern "C" {
#include <libavutil/display.h>
}

namespace gemma::media {
namespace {

constexpr int64_t kMaxFrames = 10'000'000;

/** Every frame of the film by its time stamp, rising, and the stamps of those that decoding may begin at. */
struct Contents {
  std::vector<int64_t> stamps, keys;
  AVRational base{1, 1};
  double fps = 0, length = 0;
  bool steady = false;  // the frames are at equal distances

  /** The reference reckons times from the number of a frame; where the rate varies the file's own are right. */
  double time_of(int64_t index) const {
    if (steady) return static_cast<double>(index) / fps;
    return seconds(stamps[static_cast<size_t>(index)] - stamps.front(), base);
  }
};

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
    if (stamp == AV_NOPTS_VALUE || std::ssize(out.stamps) >= kMaxFrames) {
      fail(file.name(), "frames without times, or more than {}", kMaxFrames);
    }
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

/** The tag of a picture that is turned as the film says. */
int orientation_of(const AVStream& stream) {
  size_t bytes = 0;
  const uint8_t* matrix = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &bytes);
  if (matrix == nullptr || bytes < 9 * sizeof(int32_t)) return 1;
  const double angle = av_display_rotation_get(reinterpret_cast<const int32_t*>(matrix));  // counter-clockwise
  if (!std::isfinite(angle)) return 1;
  const int quarters = (static_cast<int>(std::lround(angle / 90)) % 4 + 4) % 4;
  constexpr int kTags[4] = {1, 8, 3, 6};
  return kTags[quarters];
}

class FrameReader {
 public:
  FrameReader(const FileBytes& file, const Contents& contents, const FilmOptions& options, Film& film)
      : container_(file),
        stream_(picture_stream(container_)),
        contents_(contents),
        options_(options),
        film_(film),
        decoder_(container_.open_decoder(stream_, options.max_pixels)),
        packet_(av_packet_alloc()),
        frame_(av_frame_alloc()) {}

  const char* kind() const { return container_.kind(); }
  bool has_sound() { return av_find_best_stream(&container_.format(), AVMEDIA_TYPE_AUDIO, -1, -1, nullptr, 0) >= 0; }

  /** Decodes frame `index`, which is behind all taken before, and puts it into the film. */
  void take(int64_t index) {
    const int64_t stamp = contents_.stamps[static_cast<size_t>(index)];
    jump_to(stamp);
    while (!has_frame_ || frame_->best_effort_timestamp < stamp) {
      if (!next_frame()) break;
    }
    if (!has_frame_) fail(container_.name(), "frame {} cannot be decoded", index);
    keep(index);
  }

 private:
  /** To the last key frame before, unless decoding on gets there as soon. */
  void jump_to(int64_t stamp) {
    const auto after = std::upper_bound(contents_.keys.begin(), contents_.keys.end(), stamp);
    if (after == contents_.keys.begin()) return;
    const int64_t key = *(after - 1);
    if (has_frame_ && key <= frame_->best_effort_timestamp) return;
    if (!has_frame_ && key <= contents_.stamps.front()) return;
    if (av_seek_frame(&container_.format(), stream_.index, key, AVSEEK_FLAG_BACKWARD) < 0) return;  // decodes on
    avcodec_flush_buffers(decoder_.get());
    has_frame_ = at_end_ = false;
  }

  bool next_frame() {
    while (true) {
      const int status = avcodec_receive_frame(decoder_.get(), frame_.get());
      if (status >= 0) return has_frame_ = true;
      if (at_end_) return false;
      if (container_.read(*packet_)) {
        avcodec_send_packet(decoder_.get(), packet_.get());  // what is damaged shows in frames that do not come
      } else {
        avcodec_send_packet(decoder_.get(), nullptr);
        at_end_ = true;
      }
    }
  }

  void keep(int64_t index) {
    const ImageFile limits{container_.name(), {}, options_.max_pixels};
    RawImage raw = new_image(limits, frame_->width, frame_->height, 3);
    write_rgb(container_.name(), *frame_, 3, raw.data.data());
    Pixels pixels = turned({raw.width, raw.height, std::move(raw.data)}, orientation_of(stream_));
    if (film_.frames.empty()) measure(pixels);
    pixels = resize(std::move(pixels), film_.size.width, film_.size.height, options_.resize);
    film_.frames.push_back({index, contents_.time_of(index), std::move(pixels)});
  }

  /** All frames get the size that the first one has. */
  void measure(const Pixels& pixels) {
    film_.width = pixels.width;
    film_.height = pixels.height;
    const Result<TargetSize> size = target_size(pixels.width, pixels.height, options_.budget, options_.grid);
    if (!size) fail(container_.name(), "{}", size.failure().reason);
    film_.size = size.value();
  }

  Container container_;
  const AVStream& stream_;
  const Contents& contents_;
  const FilmOptions& options_;
  Film& film_;
  CodecContext decoder_;
  Packet packet_;
  Frame frame_;
  bool has_frame_ = false, at_end_ = false;
};

}  // namespace

Film decode_film(const ByteSource& source, const FilmOptions& options) {
  const FileBytes file(source, "a film", options.max_bytes);
  if (!is_film(file.bytes())) {
    fail(file.name(), "expected a film (MP4, QuickTime, WebM, Matroska, AVI, MPEG-TS, Ogg), found {}",
         what_it_is(file.bytes()));
  }
  const Contents contents = read_contents(file, options);
  Film film;
  film.total_frames = std::ssize(contents.stamps);
  film.fps = contents.fps;
  film.seconds = contents.length;
  std::vector<double> times;
  times.reserve(contents.stamps.size());
  for (int64_t i = 0; i < film.total_frames; ++i) times.push_back(contents.time_of(i));
  FrameReader reader(file, contents, options, film);
  for (const int64_t index : choose_frames(times, contents.length, options.rule)) reader.take(index);
  film.format = reader.kind();
  film.has_sound = reader.has_sound();
  file.check();
  return film;
}

}  // namespace gemma::media
