// SPDX-License-Identifier: Apache-2.0
#include "media/ffmpeg/container.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "base/error.h"

namespace gemma::media {
namespace {

constexpr int kIoBytes = 32768;
constexpr const char* kDecoders =
    "h264,hevc,vp8,libvpx-vp9,vp9,libdav1d,av1,libaom-av1,mpeg1video,mpeg2video,mpeg4,mjpeg,theora,prores,ffv1,"
    "rawvideo,"
    "aac,mp3,mp3float,opus,libopus,vorbis,libvorbis,flac,alac,ac3,eac3,mp2,mp2float,"
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_u8,pcm_alaw,pcm_mulaw";

struct Demuxer {
  const char* name;  // FFmpeg's
  const char* kind;  // ours
};

Demuxer demuxer_of(std::span<const std::byte> bytes) {
  if (text_at(bytes, 0, 4) == "\x1a\x45\xdf\xa3") return {"matroska", "WebM, Matroska"};
  if (text_at(bytes, 0, 4) == "OggS") return {"ogg", "Ogg"};
  if (text_at(bytes, 0, 4) == "RIFF") return {"avi", "AVI"};
  if (text_at(bytes, 0, 1) == "G") return {"mpegts", "MPEG-TS"};
  if (text_at(bytes, 0, 1) == "\xff") return {"aac", "AAC"};
  return {"mov", "MP4"};
}

/** A file that names others is not followed. */
int refuse_open(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) { return AVERROR(EACCES); }

}  // namespace

struct Container::Place {
  std::span<const std::byte> bytes;
  int64_t at = 0;
};

int Container::read_bytes(void* place, uint8_t* out, int n) {
  auto& p = *static_cast<Place*>(place);
  const int64_t left = std::ssize(p.bytes) - p.at;
  if (left <= 0) return AVERROR_EOF;
  const int got = static_cast<int>(std::min<int64_t>(n, left));
  std::memcpy(out, p.bytes.data() + p.at, static_cast<size_t>(got));
  p.at += got;
  return got;
}

int64_t Container::seek(void* place, int64_t offset, int whence) {
  auto& p = *static_cast<Place*>(place);
  const int64_t size = std::ssize(p.bytes);
  if ((whence & AVSEEK_SIZE) != 0) return size;
  const int64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? p.at : size;
  int64_t to = 0;
  if (__builtin_add_overflow(from, offset, &to) || to < 0) return AVERROR(EINVAL);
  return p.at = to;
}

Container::Container(const FileBytes& file) : file_(file), place_(std::make_unique<Place>(Place{file.bytes()})) {
  const Demuxer demuxer = demuxer_of(file.bytes());
  kind_ = demuxer.kind;
  const AVInputFormat* input = av_find_input_format(demuxer.name);
  if (input == nullptr) fail(name(), "FFmpeg was built without its reader of {}", kind_);
  auto* buffer = static_cast<unsigned char*>(av_malloc(kIoBytes));
  io_ = avio_alloc_context(buffer, kIoBytes, 0, place_.get(), read_bytes, nullptr, seek);
  format_ = avformat_alloc_context();
  GEMMA_CHECK(io_ != nullptr && format_ != nullptr, "memory for a file's header");
  format_->pb = io_;
  format_->io_open = refuse_open;
  format_->flags |= AVFMT_FLAG_CUSTOM_IO;
  format_->max_streams = 100;
  format_->format_whitelist = av_strdup(input->name);
  format_->protocol_whitelist = av_strdup("none");
  format_->codec_whitelist = av_strdup(kDecoders);
  const int opened = avformat_open_input(&format_, nullptr, input, nullptr);  // frees the context when it fails
  int status = opened;
  if (opened >= 0) status = avformat_find_stream_info(format_, nullptr);
  if (status >= 0) return;
  const std::string reason = log_.reason(status);
  avformat_close_input(&format_);
  av_freep(&io_->buffer);
  avio_context_free(&io_);
  fail(name(), "not a file that can be read as {}: {}", kind_, reason);
}

Container::~Container() {
  avformat_close_input(&format_);
  if (io_ != nullptr) av_freep(&io_->buffer);
  avio_context_free(&io_);
}

AVStream* Container::choose(AVMediaType type) {
  const int found = av_find_best_stream(format_, type, -1, -1, nullptr, 0);
  if (found < 0) return nullptr;
  AVStream* stream = format_->streams[found];
  if ((stream->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) return nullptr;  // the cover of an album
  chosen_ = found;
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    format_->streams[i]->discard = static_cast<int>(i) == found ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
  }
  return stream;
}

CodecContext Container::open_decoder(const AVStream& stream, int64_t max_pixels) {
  const AVCodec* codec = avcodec_find_decoder(stream.codecpar->codec_id);
  const char* id = avcodec_get_name(stream.codecpar->codec_id);
  if (codec == nullptr) fail(name(), "coded as {}, which is not read", id);
  CodecContext context(avcodec_alloc_context3(codec));
  checked(log_, avcodec_parameters_to_context(context.get(), stream.codecpar), name(), "read its parameters");
  context->thread_count = 1;
  if (max_pixels > 0) context->max_pixels = max_pixels;
  context->pkt_timebase = stream.time_base;
  context->codec_whitelist = av_strdup(kDecoders);
  checked(log_, avcodec_open2(context.get(), codec, nullptr), name(), fmt::format("decode {}", id));
  return context;
}

bool Container::read(AVPacket& packet) {
  while (true) {
    av_packet_unref(&packet);
    const int status = av_read_frame(format_, &packet);
    if (status == AVERROR_EOF) return false;
    checked(log_, status, name(), "read on");
    if (packet.stream_index == chosen_) return true;
  }
}

}  // namespace gemma::media
