// SPDX-License-Identifier: Apache-2.0
#include "media/ffmpeg/picture.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace gemma::media {
namespace {

/** Samples of any depth to 8 bits: the upper ones of more, the full range of fewer. */
uint8_t to_eight(unsigned value, int depth) {
  if (depth > 8) return static_cast<uint8_t>(value >> (depth - 8));
  const unsigned top = (1u << depth) - 1;
  return static_cast<uint8_t>((value * 255 + top / 2) / top);
}

/** Indices of a palette, whose entries are numbers: alpha, red, green, blue from the upper end. */
void write_palette(const AVFrame& frame, int channels, uint8_t* out) {
  constexpr std::array<int, 4> kShifts{16, 8, 0, 24};
  for (int y = 0; y < frame.height; ++y) {
    const uint8_t* from = frame.data[0] + int64_t{y} * frame.linesize[0];
    for (int x = 0; x < frame.width; ++x) {
      uint32_t entry = 0;
      std::memcpy(&entry, frame.data[1] + from[x] * sizeof entry, sizeof entry);
      for (int c = 0; c < channels; ++c) *out++ = static_cast<uint8_t>(entry >> kShifts[static_cast<size_t>(c)]);
    }
  }
}

void write_colours(const AVFrame& frame, const AVPixFmtDescriptor& format, int channels, uint8_t* out) {
  const bool grey = format.nb_components <= 2;
  const bool alpha = (format.flags & AV_PIX_FMT_FLAG_ALPHA) != 0;
  const int flip = frame.format == AV_PIX_FMT_MONOWHITE ? 255 : 0;
  std::vector<uint16_t> row(static_cast<size_t>(frame.width));
  for (int y = 0; y < frame.height; ++y) {
    uint8_t* to = out + int64_t{y} * frame.width * channels;
    for (int c = 0; c < channels; ++c) {
      const int component = c == 3 ? format.nb_components - 1 : grey ? 0 : c;
      if (c == 3 && !alpha) {
        for (int x = 0; x < frame.width; ++x) to[x * channels + c] = 255;
        continue;
      }
      av_read_image_line2(row.data(), const_cast<const uint8_t**>(frame.data), frame.linesize, &format, 0, y, component,
                          frame.width, 0, sizeof(uint16_t));
      const int depth = format.comp[component].depth;
      for (int x = 0; x < frame.width; ++x) {
        to[x * channels + c] = static_cast<uint8_t>(to_eight(row[static_cast<size_t>(x)], depth) ^ flip);
      }
    }
  }
}

/** Enums of FFmpeg that a file fills in as a number, whatever it is: to be read as one. */
template <class Enum>
int number_in(const Enum& field) {
  static_assert(sizeof field == sizeof(int));
  int number;
  std::memcpy(&number, &field, sizeof number);  // std::bit_cast would load the enum
  return number;
}

void write_scaled(const std::string& where, const AVFrame& frame, int channels, uint8_t* out) {
  const AVPixelFormat to = channels == 4 ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24;
  const int flags = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP;
  const Scaler scaler(sws_getContext(frame.width, frame.height, static_cast<AVPixelFormat>(frame.format), frame.width,
                                     frame.height, to, flags, nullptr, nullptr, nullptr));
  if (scaler == nullptr) fail(where, "pixels of a kind that cannot be turned into RGB");
  const int space = number_in(frame.colorspace);
  const bool bt709 = space == AVCOL_SPC_BT709 || (space == AVCOL_SPC_UNSPECIFIED && frame.height >= 720);
  const int* matrix = sws_getCoefficients(bt709 ? SWS_CS_ITU709 : SWS_CS_ITU601);
  const int range = number_in(frame.color_range) == AVCOL_RANGE_JPEG ? 1 : 0;
  sws_setColorspaceDetails(scaler.get(), matrix, range, matrix, 1, 0, 1 << 16, 1 << 16);
  uint8_t* planes[4] = {out, nullptr, nullptr, nullptr};
  const int strides[4] = {frame.width * channels, 0, 0, 0};
  if (sws_scale(scaler.get(), frame.data, frame.linesize, 0, frame.height, planes, strides) != frame.height) {
    fail(where, "its pixels cannot be turned into RGB");
  }
}

}  // namespace

bool may_be_transparent(AVPixelFormat format) {
  const AVPixFmtDescriptor* descriptor = av_pix_fmt_desc_get(format);
  return descriptor != nullptr && (descriptor->flags & (AV_PIX_FMT_FLAG_ALPHA | AV_PIX_FMT_FLAG_PAL)) != 0;
}

void write_rgb(const std::string& where, const AVFrame& frame, int channels, uint8_t* out) {
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  if (format == nullptr) fail(where, "pixels of an unknown kind");
  if ((format->flags & AV_PIX_FMT_FLAG_PAL) != 0) return write_palette(frame, channels, out);
  const bool colours = (format->flags & AV_PIX_FMT_FLAG_RGB) != 0 || format->nb_components <= 2;
  if (colours && (format->flags & (AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_HWACCEL)) == 0) {
    return write_colours(frame, *format, channels, out);
  }
  write_scaled(where, frame, channels, out);
}

}  // namespace gemma::media
