// SPDX-License-Identifier: Apache-2.0
// Films by FFmpeg. The file is gone through twice: packets are counted without decoding any, so that frames can be
// chosen; then the chosen ones are decoded, each from the key frame before it. Where scenes decide, it is decoded once
// in between, every frame made small and held against the one before it.
#include "media/film.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "base/error.h"
#include "media/decoders.h"
#include "media/ffmpeg/container.h"
#include "media/ffmpeg/contents.h"
#include "media/ffmpeg/picture.h"

extern "C" {
#include <libavutil/display.h>
}

namespace gemma::media {
namespace {

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

  double sound_seconds() {
    const int found = av_find_best_stream(&container_.format(), AVMEDIA_TYPE_AUDIO, -1, -1, nullptr, 0);
    if (found < 0) return 0;
    const AVStream& stream = *container_.format().streams[found];
    const double said = stream.duration > 0 ? seconds(stream.duration, stream.time_base) : 0;
    return std::max(said, contents_.length);
  }

  /** Decodes the first frame: its size is that of all. */
  void start() {
    reach(0);
    measure(seen());
  }

  /** Decodes frame `index`, which is behind all taken before, and puts it into the film. */
  void take(int64_t index) {
    reach(index);
    Pixels pixels = resize(seen(), film_.size.width, film_.size.height, options_.resize);
    film_.frames.push_back({index, contents_.time_of(index), std::move(pixels)});
  }

 private:
  void reach(int64_t index) {
    const int64_t stamp = contents_.stamps[static_cast<size_t>(index)];
    jump_to(stamp);
    while (!has_frame_ || frame_->best_effort_timestamp < stamp) {
      if (!next_frame()) break;
    }
    if (!has_frame_) fail(container_.name(), "frame {} cannot be decoded", index);
  }

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

  /** The frame as it is seen: its own colours, turned. */
  Pixels seen() {
    const ImageFile limits{container_.name(), {}, options_.max_pixels};
    RawImage raw = new_image(limits, frame_->width, frame_->height, 3);
    write_rgb(container_.name(), *frame_, 3, raw.data.data());
    return turned({raw.width, raw.height, std::move(raw.data)}, orientation_of(stream_));
  }

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

/** The rule with its number of frames, where that is given by tokens. */
FrameRule within_tokens(const FilmOptions& options, double sound_seconds, const std::string& where, Film& film) {
  FrameRule rule = options.rule;
  if (rule.tokens <= 0) return rule;
  const TokenPlan plan = plan_tokens(rule.tokens, film.size.soft_tokens, options.with_sound ? sound_seconds : 0);
  if (plan.frames < 1) {
    fail(where, "a frame takes {} tokens, its time stamp {}: expected more than {} for the film (--video-tokens)",
         film.size.soft_tokens, kTokensBesideFrame, rule.tokens);
  }
  film.sound_fits = plan.sound || sound_seconds <= 0;
  const int64_t most = std::min<int64_t>(plan.frames, std::numeric_limits<int>::max());
  rule.max_frames = static_cast<int>(rule.max_frames > 0 ? std::min<int64_t>(most, rule.max_frames) : most);
  return rule;
}

std::vector<int64_t> chosen_frames(const FileBytes& file, const Contents& contents, const FilmOptions& options,
                                   const FrameRule& rule) {
  if (rule.choice == FrameChoice::scenes) {
    constexpr int64_t kCandidates = 4;  // for each frame that is wanted
    const int64_t n = rule.max_frames > 0 ? rule.max_frames : kDefaultFrames;
    return choose_scenes(read_changes(file, contents, options, kCandidates * n), contents.length,
                         std::ssize(contents.stamps), n);
  }
  std::vector<double> times;
  times.reserve(contents.stamps.size());
  for (int64_t i = 0; i < std::ssize(contents.stamps); ++i) times.push_back(contents.time_of(i));
  return choose_frames(times, contents.length, rule);
}

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
  FrameReader reader(file, contents, options, film);
  reader.start();
  const FrameRule rule = within_tokens(options, reader.sound_seconds(), file.name(), film);
  for (const int64_t index : chosen_frames(file, contents, options, rule)) reader.take(index);
  film.format = reader.kind();
  film.has_sound = reader.has_sound();
  file.check();
  return film;
}

}  // namespace gemma::media
