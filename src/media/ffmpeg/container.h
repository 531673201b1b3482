// SPDX-License-Identifier: Apache-2.0
// A film or sound file as FFmpeg's demuxer sees it: read from memory, by the one demuxer that its first bytes name. No
// probing, no playlists, no other files, no protocols.
#pragma once

#include <cstdint>
#include <memory>

#include "media/ffmpeg/log.h"
#include "media/ffmpeg/owners.h"
#include "media/file_bytes.h"

namespace gemma::media {

class Container {
 public:
  /** `file` must outlive it. Fails when the file cannot be read as what it says it is. */
  explicit Container(const FileBytes& file);
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;
  ~Container();

  AVFormatContext& format() { return *format_; }
  const FfmpegLog& log() const { return log_; }
  const std::string& name() const { return file_.name(); }
  /** "MP4", "WebM, Matroska", "AVI" … */
  const char* kind() const { return kind_; }
  /** The best stream of a kind, null where there is none; all others are skipped from then on. */
  AVStream* choose(AVMediaType type);
  /** A decoder for the stream; `max_pixels` for pictures. Fails for codecs that are not let in. */
  CodecContext open_decoder(const AVStream& stream, int64_t max_pixels);
  /** The next packet of the chosen stream; false at the end of the file. */
  bool read(AVPacket& packet);

 private:
  struct Place;
  static int read_bytes(void* place, uint8_t* out, int n);
  static int64_t seek(void* place, int64_t offset, int whence);

  const FileBytes& file_;
  FfmpegLog log_;
  std::unique_ptr<Place> place_;
  AVIOContext* io_ = nullptr;
  AVFormatContext* format_ = nullptr;
  const char* kind_ = "";
  int chosen_ = -1;
};

/** Seconds that a time stamp of the stream stands for. */
inline double seconds(int64_t stamp, AVRational base) { return static_cast<double>(stamp) * base.num / base.den; }

}  // namespace gemma::media
