// SPDX-License-Identifier: Apache-2.0
// GIF, BMP and TIFF by FFmpeg's decoders, without its demuxers: the file is the packet.
#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "media/decoders.h"
#include "media/ffmpeg/log.h"
#include "media/ffmpeg/owners.h"
#include "media/ffmpeg/picture.h"
#include "media/header.h"

namespace gemma::media {
namespace {

AVCodecID codec_of(ImageFormat format) {
  if (format == ImageFormat::gif) return AV_CODEC_ID_GIF;
  return format == ImageFormat::bmp ? AV_CODEC_ID_BMP : AV_CODEC_ID_TIFF;
}

Packet packet_of(const ImageFile& file) {
  Packet packet(av_packet_alloc());
  if (packet == nullptr || av_new_packet(packet.get(), static_cast<int>(file.bytes.size())) < 0) {
    fail(file.name, "no memory for the file's {} bytes", file.bytes.size());
  }
  std::memcpy(packet->data, file.bytes.data(), file.bytes.size());
  packet->flags |= AV_PKT_FLAG_KEY;
  return packet;
}

}  // namespace

bool has_ffmpeg() { return true; }

RawImage decode_by_ffmpeg(const ImageFile& file, ImageFormat format) {
  const FfmpegLog log;
  if (file.bytes.size() > INT32_MAX / 2) fail(file.name, "a {} of {} bytes", name_of(format), file.bytes.size());
  if (const auto size = size_in_header(file.bytes, format)) check_size(file, size->width, size->height);
  const AVCodec* codec = avcodec_find_decoder(codec_of(format));
  if (codec == nullptr) fail(file.name, "FFmpeg was built without its decoder of {}", name_of(format));
  const CodecContext context(avcodec_alloc_context3(codec));
  context->max_pixels = file.max_pixels;
  context->thread_count = 1;
  checked(log, avcodec_open2(context.get(), codec, nullptr), file.name, "decode");
  const std::string action = fmt::format("decode this {}", name_of(format));
  const Packet packet = packet_of(file);
  checked(log, avcodec_send_packet(context.get(), packet.get()), file.name, action);
  avcodec_send_packet(context.get(), nullptr);
  const Frame frame(av_frame_alloc());
  checked(log, avcodec_receive_frame(context.get(), frame.get()), file.name, action);
  const int channels = may_be_transparent(static_cast<AVPixelFormat>(frame->format)) ? 4 : 3;
  RawImage image = new_image(file, frame->width, frame->height, channels);
  write_rgb(file.name, *frame, channels, image.data.data());
  if (format == ImageFormat::tiff) image.orientation = exif_orientation(file.bytes);
  return image;
}

}  // namespace gemma::media
