// SPDX-License-Identifier: Apache-2.0
#include "gemma4/forward_media.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace gemma::app {

std::string EncoderInputs::name_of(TokenType type) const {
  const int64_t n = used_[static_cast<size_t>(type)];
  if (type == kAudio) return fmt::format("audio{}.features", n);
  const std::string at = type == kImage ? fmt::format("image{}.patches", n) : std::string("video.patches");
  return find(at + "_u8") != nullptr ? at + "_u8" : at;
}

bool EncoderInputs::has(TokenType type) const {
  const TensorRecord* record = find(name_of(type));
  if (record == nullptr || type != kVideo) return record != nullptr;
  return used_[kVideo] < record->shape[0];
}

Tensor EncoderInputs::load(const TensorRecord& record) const {
  Tensor out = Tensor::host(record.dtype, record.shape);
  file_.read(record, out.raw_mutable());
  return out;
}

ToEncode EncoderInputs::next(TokenType type) {
  ToEncode input = type == kAudio ? clip() : picture(type);
  ++used_[static_cast<size_t>(type)];
  return input;
}

/** Columns of the grid that positions_xy of this picture, or frame of a film, describe: row by row. */
int64_t EncoderInputs::columns_of(const std::string& name, int64_t frame, int64_t squares) const {
  const TensorRecord* record = find(name);
  if (record == nullptr) fail(file_.name(), "tensor '{}' is missing", prefix_ + name);
  const Tensor all = load(*record);
  if (all.dtype() != DType::i32 || all.cols() != 2 || all.rows() < (frame + 1) * squares) {
    fail(file_.name(), "tensor '{}': expected i32 [{}, 2], found {} {}", prefix_ + name, squares,
         info(all.dtype()).name, all.shape().str());
  }
  const auto xy = all.data<int32_t>().subspan(static_cast<size_t>(2 * frame * squares));
  int64_t columns = 0;
  while (columns < squares && xy[static_cast<size_t>(2 * columns + 1)] == 0) ++columns;
  for (int64_t i = 0; i < squares; ++i) {
    const int32_t x = xy[static_cast<size_t>(2 * i)], y = xy[static_cast<size_t>(2 * i + 1)];
    if (columns > 0 && x == i % columns && y == i / columns) continue;
    fail(file_.name(), "tensor '{}': expected the places of a grid, row by row, found ({}, {}) at {}", prefix_ + name,
         x, y, i);
  }
  return columns;
}

ToEncode EncoderInputs::picture(TokenType type) {
  const std::string name = name_of(type);
  const TensorRecord& record = *find(name);
  const int rank = type == kVideo ? 3 : 2;
  const int64_t frame = type == kVideo ? used_[kVideo] : 0, squares = record.shape[rank - 2];
  const bool bytes = record.dtype == DType::u8;
  if (record.shape.rank != rank || (!bytes && record.dtype != DType::f32)) {
    fail(file_.name(), "tensor '{}': expected u8 or f32 {}[patches, values], found {} {}", prefix_ + name,
         rank == 3 ? "[frames] of " : "", info(record.dtype).name, record.shape.str());
  }
  Tensor pixels = load(record).slice(frame * squares, squares);
  const std::string places = name.substr(0, name.find('.')) + ".positions_xy";
  return {prefix_ + name, 0, {{std::move(pixels), columns_of(places, frame, squares)}, {}}};
}

ToEncode EncoderInputs::clip() {
  const std::string name = name_of(kAudio);
  const TensorRecord& record = *find(name);
  if (record.dtype != DType::f32 || record.shape.rank != 2) {
    fail(file_.name(), "tensor '{}': expected f32 [frames, values], found {} {}", prefix_ + name,
         info(record.dtype).name, record.shape.str());
  }
  Tensor frames = load(record);
  const std::string mask_name = fmt::format("audio{}.mask", used_[kAudio]);
  if (const TensorRecord* mask = find(mask_name)) {  // frames behind the last that is sound are padding
    const Tensor valid = load(*mask);
    if (valid.dtype() != DType::u8 || valid.shape().count() != frames.rows()) {
      fail(file_.name(), "tensor '{}': expected u8 [{}], found {} {}", prefix_ + mask_name, frames.rows(),
           info(valid.dtype()).name, valid.shape().str());
    }
    const auto bits = valid.data<uint8_t>();
    const auto end = std::find(bits.begin(), bits.end(), uint8_t{0});
    if (std::any_of(end, bits.end(), [](uint8_t v) { return v != 0; })) {
      fail(file_.name(), "tensor '{}': expected padding behind the sound alone", prefix_ + mask_name);
    }
    frames = frames.slice(0, end - bits.begin());
  }
  return {prefix_ + name, 0, {{}, std::move(frames)}};
}

Tensor encode(Ops& ops, const Encoders& encoders, const ToEncode& input, int64_t places, const std::string& where) {
  const Result<int64_t> count = soft_tokens_of(encoders.config, input.media);
  if (!count) fail(where, "tensor '{}': {}", input.name, count.failure().reason);
  if (count.value() != places) {
    fail(where, "tensor '{}': expected {} soft tokens of it, as many as places, found {}", input.name, places,
         count.value());
  }
  Encoding encoding = Encoding::of(ops, encoders, input.media);
  while (!encoding.done()) encoding.advance();
  return encoding.soft_tokens();
}

}  // namespace gemma::app
