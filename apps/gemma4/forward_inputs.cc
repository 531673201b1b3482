// SPDX-License-Identifier: Apache-2.0
#include "gemma4/forward_inputs.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>

#include "base/error.h"

namespace gemma::app {
namespace {

constexpr std::string_view kIds = "input_ids";

class Reader {
 public:
  Reader(const ModelFile& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

  bool has(std::string_view name) const { return file_.find(full(name)) != nullptr; }
  std::string full(std::string_view name) const { return prefix_ + std::string(name); }
  const std::string& prefix() const { return prefix_; }

  /** Whole numbers of one dimension (a leading dimension of 1 is taken off), from `low` to `high`. */
  std::vector<int32_t> integers(std::string_view name, int64_t low, int64_t high) const {
    const TensorRecord* record = file_.find(full(name));
    if (record == nullptr) fail(file_.name(), "tensor '{}' is missing", full(name));
    const Shape& shape = record->shape;
    const bool flat = shape.rank == 1 || (shape.rank == 2 && shape[0] == 1);
    if (!flat || shape.count() == 0 || (record->dtype != DType::i32 && record->dtype != DType::i64)) {
      fail(file_.name(), "tensor '{}': expected i32 or i64 [tokens], found {} {}", full(name), info(record->dtype).name,
           shape.str());
    }
    const Tensor raw = load(*record);
    std::vector<int32_t> out;
    for (int64_t i = 0; i < shape.count(); ++i) {
      const auto at = static_cast<size_t>(i);
      const int64_t value = raw.dtype() == DType::i64 ? raw.data<int64_t>()[at] : raw.data<int32_t>()[at];
      if (value < low || value > high) {
        fail(file_.name(), "tensor '{}': expected values from {} to {}, found {} at {}", full(name), low, high, value,
             i);
      }
      out.push_back(static_cast<int32_t>(value));
    }
    return out;
  }

  /** The same, of as many values as there are tokens; `otherwise` when the tensor is not there. */
  std::vector<int32_t> per_token(std::string_view name, int64_t high, std::vector<int32_t> otherwise) const {
    if (!has(name)) return otherwise;
    std::vector<int32_t> values = integers(name, 0, high);
    if (values.size() != otherwise.size()) {
      fail(file_.name(), "tensor '{}': expected {} values, as input_ids, found {}", full(name), otherwise.size(),
           values.size());
    }
    return values;
  }

  /** Soft tokens of one kind: f32 [n, width], or [clips, n, width] with rows of padding behind each clip. */
  Tensor soft_tokens(std::string_view name, int64_t width) const {
    const TensorRecord& record = *file_.find(full(name));
    if (record.dtype != DType::f32 || record.shape.rank < 2 || record.shape.rank > 3 || record.shape.cols() != width) {
      fail(file_.name(), "tensor '{}': expected f32 [soft tokens, {}], found {} {}", full(name), width,
           info(record.dtype).name, record.shape.str());
    }
    return load(record);
  }

  const ModelFile& file() const { return file_; }

 private:
  Tensor load(const TensorRecord& record) const {
    Tensor out = Tensor::host(record.dtype, record.shape);
    file_.read(record, out.raw_mutable());
    return out;
  }

  const ModelFile& file_;
  std::string prefix_;
};

/** Soft tokens handed out to the runs of their kind, in order. */
class SoftTokens {
 public:
  SoftTokens(const Reader& reader, std::string_view name, int64_t width)
      : reader_(reader), name_(name), soft_(reader.soft_tokens(name, width)) {}

  Tensor next(int64_t rows) {
    const bool clips = soft_.shape().rank == 3;
    const int64_t first = clips ? clip_++ * soft_.shape()[1] : used_;
    used_ += rows;
    const int64_t end = clips ? std::min(soft_.rows(), first + soft_.shape()[1]) : soft_.rows();
    if (first + rows > end) {
      fail(reader_.file().name(), "tensor '{}': {} has more places than its {} soft tokens", reader_.full(name_),
           reader_.full("mm_token_type_ids"), soft_.rows());
    }
    return soft_.slice(first, rows);
  }

  void check_used() const {
    if (soft_.shape().rank == 3 || used_ == soft_.rows()) return;
    fail(reader_.file().name(), "tensor '{}': expected {} soft tokens, as many as places, found {}",
         reader_.full(name_), used_, soft_.rows());
  }

 private:
  const Reader& reader_;
  std::string name_;
  Tensor soft_;
  int64_t used_ = 0, clip_ = 0;
};

/** The tensor with the soft tokens of a kind: a prompt that has film and no picture keeps its under either name. */
std::string soft_name(const Reader& reader, int32_t type, bool has_images) {
  if (type == kAudio) return "audio.soft_tokens";
  if (type == kVideo && (reader.has("video.soft_tokens") || has_images)) return "video.soft_tokens";
  return "vision.soft_tokens";
}

/** Where the soft tokens of one kind come from: as they are, or from what encoders read. */
class MediaOfKind {
 public:
  MediaOfKind(const Reader& reader, EncoderInputs& inputs, TokenType type, bool has_images, int64_t width)
      : inputs_(inputs), type_(type) {
    const std::string name = soft_name(reader, type, has_images);
    if (reader.has(name)) {
      stored_.emplace(reader, name, width);
    } else if (!inputs.has(type)) {
      fail(reader.file().name(), "{} rows need their soft tokens in '{}', or what is encoded to them",
           kTypeNames[static_cast<size_t>(type)], reader.full(name));
    }
  }

  void add(int64_t first, int64_t rows, ForwardPrompt& prompt, const Reader& reader) {
    prompt.batch.media.push_back({first, rows, type_ != kAudio, stored_ ? stored_->next(rows) : Tensor(), 0});
    if (stored_) return;
    if (!inputs_.has(type_)) {
      fail(reader.file().name(), "tensor '{}': {} rows from {} on have nothing that is encoded to them",
           reader.full("mm_token_type_ids"), kTypeNames[static_cast<size_t>(type_)], first);
    }
    prompt.pending.push_back(inputs_.next(type_));
    prompt.pending.back().first_row = first;
  }

  void check_used(const Reader& reader) const {
    if (stored_) return stored_->check_used();
    if (inputs_.has(type_)) {
      fail(reader.file().name(), "tensor '{}': more {} inputs than places", reader.full("mm_token_type_ids"),
           kTypeNames[static_cast<size_t>(type_)]);
    }
  }

 private:
  EncoderInputs& inputs_;
  TokenType type_;
  std::optional<SoftTokens> stored_;
};

/** A picture or frame is a run of tokens of its type: what bounds it is text. Pictures are seen whole, sound is not. */
void add_media(const Reader& reader, const std::vector<int32_t>& types, int64_t width, ForwardPrompt& prompt) {
  EncoderInputs inputs(reader.file(), reader.prefix());
  const bool has_images = std::find(types.begin(), types.end(), int32_t{kImage}) != types.end();
  for (TokenType type : {kImage, kVideo, kAudio}) {
    if (std::find(types.begin(), types.end(), int32_t{type}) == types.end()) continue;
    MediaOfKind media(reader, inputs, type, has_images, width);
    for (size_t i = 0; i < types.size();) {
      size_t end = i;
      while (end < types.size() && types[end] == type) ++end;
      if (end > i) media.add(static_cast<int64_t>(i), static_cast<int64_t>(end - i), prompt, reader);
      i = std::max(end, i + 1);
    }
    media.check_used(reader);
  }
  const auto earlier = [](const auto& a, const auto& b) { return a.first_row < b.first_row; };
  std::sort(prompt.batch.media.begin(), prompt.batch.media.end(), earlier);
  std::sort(prompt.pending.begin(), prompt.pending.end(), earlier);
}

ForwardPrompt read_prompt(const Reader& reader, std::string prefix, const Config& config) {
  ForwardPrompt prompt;
  prompt.prefix = std::move(prefix);
  Batch& batch = prompt.batch;
  batch.tokens = reader.integers(kIds, 0, config.vocab - 1);
  if (batch.tokens.size() > static_cast<size_t>(config.context)) {
    fail(reader.file().name(), "tensor '{}': expected at most the model's context of {} tokens, found {}",
         reader.full(kIds), config.context, batch.tokens.size());
  }
  std::vector<int32_t> counting(batch.tokens.size());
  std::iota(counting.begin(), counting.end(), 0);
  batch.wanted = counting;
  batch.positions = reader.per_token("position_ids", std::numeric_limits<int32_t>::max() / 2, counting);
  const std::vector<int32_t> text(batch.tokens.size(), kText);
  add_media(reader, reader.per_token("mm_token_type_ids", kAudio, text), config.dim, prompt);
  return prompt;
}

/** "p_long/" of "p_long/input_ids". */
std::vector<std::string> prefixes_in(const ModelFile& file) {
  std::vector<std::string> prefixes;
  for (const TensorRecord& record : file.tensors()) {
    std::string_view name = record.name;
    if (!name.ends_with(kIds)) continue;
    name.remove_suffix(kIds.size());
    if (name.ends_with('/')) prefixes.emplace_back(name);
  }
  return prefixes;
}

}  // namespace

std::vector<ForwardPrompt> read_prompts(const ModelFile& file, const std::string& prompt, const Config& config) {
  std::vector<ForwardPrompt> prompts;
  if (!prompt.empty()) {
    prompts.push_back(read_prompt(Reader(file, prompt + "/"), "", config));
  } else if (file.find(kIds) != nullptr) {
    prompts.push_back(read_prompt(Reader(file, ""), "", config));
  } else {
    for (const std::string& prefix : prefixes_in(file)) {
      prompts.push_back(read_prompt(Reader(file, prefix), prefix, config));
    }
  }
  if (prompts.empty()) fail(file.name(), "tensor '{}' is missing", kIds);
  return prompts;
}

}  // namespace gemma::app
