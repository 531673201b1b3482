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
  const std::string places_name = name.substr(0, name.find('.')) + ".positions_xy";
  const TensorRecord* stored = find(places_name);
  if (stored == nullptr) fail(file_.name(), "tensor '{}' is missing", prefix_ + places_name);
  Tensor places = load(*stored);
  if (type == kVideo && places.rows() >= (frame + 1) * squares) places = places.slice(frame * squares, squares);
  Result<MediaInput> input = picture_input(load(record).slice(frame * squares, squares), places);
  if (!input) fail(file_.name(), "tensor '{}': {}", prefix_ + places_name, input.failure().reason);
  return {prefix_ + name, 0, std::move(input).value()};
}

ToEncode EncoderInputs::clip() {
  const std::string name = name_of(kAudio);
  const TensorRecord& record = *find(name);
  if (record.dtype != DType::f32 || record.shape.rank != 2) {
    fail(file_.name(), "tensor '{}': expected f32 [frames, values], found {} {}", prefix_ + name,
         info(record.dtype).name, record.shape.str());
  }
  const std::string mask_name = fmt::format("audio{}.mask", used_[kAudio]);
  const TensorRecord* mask = find(mask_name);
  Result<MediaInput> input = sound_input(load(record), mask != nullptr ? load(*mask) : Tensor());
  if (!input) fail(file_.name(), "tensor '{}': {}", prefix_ + mask_name, input.failure().reason);
  return {prefix_ + name, 0, std::move(input).value()};
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
