// SPDX-License-Identifier: Apache-2.0
#include "convert/convert.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "config/names.h"
#include "convert/gguf_keys.h"
#include "convert/hf_files.h"
#include "convert/inventory.h"
#include "convert/mmproj.h"
#include "file/safetensors_writer.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kShardBytes = 5'000'000'000;

std::string plural(size_t n, std::string_view what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); }

std::vector<NewTensor> tensors_of(const std::vector<OutputTensor>& outputs) {
  std::vector<NewTensor> tensors;
  tensors.reserve(outputs.size());
  for (const OutputTensor& out : outputs) tensors.push_back(out.tensor);
  return tensors;
}

bool is_media(std::string_view name) {
  for (std::string_view part : {"vision", "audio", "multi_modal", "embed_image"}) {
    if (name.find(part) != std::string_view::npos) return true;
  }
  return false;
}

/** A folder that takes its final name when it is whole, and is removed when it is not. */
class NewFolder {
 public:
  NewFolder(std::string path, bool replace) : path_(std::move(path)) {
    while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
    in_place_ = replace && fs::exists(path_);
    current_ = in_place_ ? path_ : partial_name(path_);
    std::error_code error;
    fs::create_directory(current_, error);
    if (error && !in_place_) fail(path_, "cannot create the folder: {}", error.message());
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;
  ~NewFolder() {
    std::error_code ignored;
    if (!done_ && !in_place_) fs::remove_all(current_, ignored);
  }
  const std::string& current() const { return current_; }

  void finish() {
    std::error_code error;
    if (!in_place_) fs::rename(current_, path_, error);
    if (error) fail(path_, "cannot give the finished folder this name: {}", error.message());
    done_ = true;
  }

 private:
  std::string path_, current_;
  bool in_place_ = false, done_ = false;
};

void write_text(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace

// ---- to GGUF ----

Conversion Conversion::to_gguf(const ModelFile& source, FileType type) {
  Conversion c(source);
  if (is_drafter(source)) c.drafter_ = DrafterConfig::from(source);
  c.config_ = c.drafter_ ? c.drafter_->stack : Config::from(source);
  if (source.format() == FileFormat::gguf) {
    c.plan_from_gguf(type);
  } else {
    c.plan_from_folder(type);
  }
  add_file_type_keys(type, c.keys_);
  return c;
}

std::vector<ItemOfModel> Conversion::items() const {
  return drafter_ ? inventory(*source_, *drafter_) : inventory(*source_, *config_);
}

void Conversion::plan_from_folder(FileType type) {
  if (drafter_) {
    add_drafter_keys(*source_, *drafter_, keys_);
  } else {
    add_model_keys(*source_, *config_, keys_);
  }
  if (!add_tokenizer_keys(*source_, *config_, keys_) && !drafter_) {  // a drafter's tokens are its target's
    notes_.push_back("no tokenizer.json beside the weights: the file will hold no tokenizer");
  }
  const std::vector<ItemOfModel> items = this->items();
  for (const ItemOfModel& item : items) {
    const std::string name = gguf_name(item.name).value();
    const Shape& shape = item.stored.shape;
    const DType stored = item.stored.dtype;
    const bool exact = type == FileType::f32 && is_float(stored);
    const DType kept = exact ? DType::f32 : unquantized_type(name, shape, stored);
    OutputTensor out{{name, kept, shape}, item.stored, 0, {}};
    if (config_->generation == 3 && is_shifted_norm(item.name)) out.add = 1;
    outputs_.push_back(std::move(out));
  }
  if (std::vector<float> divisors = rope_divisors(*config_); !divisors.empty()) {
    const Shape shape{std::ssize(divisors)};
    outputs_.push_back({{std::string(kRopeFreqs), DType::f32, shape}, {}, 0, std::move(divisors)});
  }
  size_t media = 0;
  for (const std::string& name : left_out(*source_, items)) {
    if (is_media(name)) {
      ++media;
    } else if (name.find("lm_head") == std::string::npos) {
      notes_.push_back(fmt::format("tensor '{}' is not part of the model and is left out", name));
    }
  }
  const MediaConfig encoders = MediaConfig::from(*source_);
  if (media > 0 && !encoders.sees() && !encoders.hears()) {
    notes_.push_back(
        fmt::format("{} of vision and audio left out: the result reads text only", plural(media, "tensor")));
  }
  const auto moe = std::find_if(config_->layers.begin(), config_->layers.end(), [](const auto& l) { return l.moe; });
  apply_types(type, static_cast<int>(config_->layers.size()), moe == config_->layers.end() ? 0 : moe->moe->experts);
}

void Conversion::plan_from_gguf(FileType type) {
  items();  // is it whole?
  for (const Metadata::Entry& entry : source_->metadata().entries()) {
    if (!entry.first.starts_with("split.")) keys_.set(entry.first, entry.second, entry.type);
  }
  for (const TensorRecord& record : source_->tensors()) {
    outputs_.push_back({{record.name, record.dtype, record.shape},
                        {record.name, record.dtype, record.shape, {{&record, 0, record.shape.rows()}}},
                        0,
                        {}});
  }
  const auto& keys = source_->metadata();
  const std::string arch = keys.string("general.architecture").value_or("");
  apply_types(type, static_cast<int>(config_->layers.size()),
              static_cast<int>(keys.integer(arch + ".expert_count").value_or(0)));
  size_t again = 0;
  for (const OutputTensor& out : outputs_) {
    again += is_quantized(out.from.dtype) && is_quantized(out.tensor.dtype) && out.from.dtype != out.tensor.dtype;
  }
  if (again > 0) {
    notes_.push_back(
        fmt::format("{} quantized already and get another type: errors add up, a bf16 or f16 source is better",
                    again == 1 ? "1 tensor is" : fmt::format("{} tensors are", again)));
  }
}

void Conversion::apply_types(FileType type, int layers, int experts) {
  const std::vector<DType> types = choose_types(type, layers, experts, tensors_of(outputs_));
  for (size_t i = 0; i < types.size(); ++i) outputs_[i].tensor.dtype = types[i];
}

std::optional<int64_t> Conversion::run_gguf(const std::string& path, const StreamOptions& options) const {
  GgufWriter writer(path, keys_, tensors_of(outputs_));
  const bool whole = stream(*source_, outputs_, options, [&](size_t t, int64_t at, std::span<const std::byte> bytes) {
    writer.write(t, at, bytes);
  });
  if (!whole) return std::nullopt;
  writer.finish();
  return writer.file_bytes();
}

std::optional<Conversion> Conversion::to_mmproj(const ModelFile& source, FileType type) {
  const MediaConfig media = MediaConfig::from(source);
  if (source.format() == FileFormat::gguf || (!media.sees() && !media.hears())) return std::nullopt;
  Conversion c(source);
  c.config_ = Config::from(source);
  add_mmproj_keys(source.name(), media, ProcessorConfig::from(source, media), c.config_->dim, type, c.keys_);
  c.outputs_ = mmproj_tensors(source, media, *c.config_, type);
  return c;
}

// ---- to a folder ----

namespace {

/** Whether every value of a tensor comes back after it has been stored as `type`. */
bool survives(const ModelFile& source, const OutputTensor& out, DType type) {
  const std::vector<float> values = out.read(source);
  const auto stored = [&](float v) {
    return type == DType::bf16 ? bf16_to_f32(f32_to_bf16(v)) : f16_to_f32(f32_to_f16(v));
  };
  return std::all_of(values.begin(), values.end(), [&](float v) { return stored(v + out.add) - out.add == v; });
}

struct Group {
  const ModelFile& source;
  const std::vector<OutputTensor>& outputs;
};

/** bf16 or f16 when the matrices are and the rest (norms, scales, the router) fits too, else f32, which holds the
 * values of every type exactly. */
DType lossless_type(const std::vector<Group>& groups) {
  std::optional<DType> type;
  for (const Group& group : groups) {
    for (const OutputTensor& out : group.outputs) {
      if (out.from.dtype == DType::f32) continue;
      if (type.value_or(out.from.dtype) != out.from.dtype) return DType::f32;
      type = out.from.dtype;
    }
  }
  if (type != DType::bf16 && type != DType::f16) return DType::f32;
  for (const Group& group : groups) {
    for (const OutputTensor& out : group.outputs) {
      if (out.from.dtype != *type && !survives(group.source, out, *type)) return DType::f32;
    }
  }
  return *type;
}

std::vector<OutputTensor> media_tensors_of(const ModelFile& mmproj, const MediaConfig& media, int64_t text_dim) {
  if (!media.sees() && !media.hears()) fail(mmproj.name(), "holds no encoders of pictures or sound");
  return folder_tensors(mmproj, media, text_dim);
}

}  // namespace

Conversion Conversion::to_folder(const ModelFile& source, std::optional<DType> dtype, const ModelFile* mmproj) {
  if (source.format() != FileFormat::gguf) {
    fail(source.name(), "is a Hugging Face checkpoint already: give a target that ends in .gguf, or a GGUF source");
  }
  if (is_drafter(source)) fail(source.name(), "is a drafter, which goes to GGUF only: give a name that ends in .gguf");
  Conversion c(source);
  c.folder_ = true;
  c.config_ = Config::from(source);
  if (mmproj != nullptr) {
    c.mmproj_ = mmproj;
    c.media_ = MediaConfig::from(*mmproj);
    c.media_outputs_ = media_tensors_of(*mmproj, c.media_, c.config_->dim);
  }
  const std::string prefix = mmproj != nullptr ? "model.language_model." : "model.";
  for (ItemOfModel& item : inventory(source, *c.config_)) {
    const bool head = item.name == "lm_head.weight";
    OutputTensor out{
        {head ? item.name : prefix + item.name, DType::f32, item.stored.shape}, std::move(item.stored), 0, {}};
    if (c.config_->generation == 3 && is_shifted_norm(item.name)) out.add = -1;
    c.outputs_.push_back(std::move(out));
  }
  std::vector<Group> groups{{source, c.outputs_}};
  if (mmproj != nullptr) groups.push_back({*mmproj, c.media_outputs_});
  c.dtype_ = dtype ? *dtype : lossless_type(groups);
  for (OutputTensor& out : c.outputs_) out.tensor.dtype = c.dtype_;
  for (OutputTensor& out : c.media_outputs_) out.tensor.dtype = c.dtype_;
  c.folder_config();  // can it be said?
  return c;
}

json::object Conversion::folder_config() const {
  return mmproj_ != nullptr ? hf_config(source_->name(), *config_, media_, dtype_)
                            : hf_config(source_->name(), *config_, dtype_);
}

std::optional<int64_t> Conversion::run_folder(const std::string& path, const StreamOptions& options) const {
  std::vector<NewTensor> tensors = tensors_of(outputs_), more = tensors_of(media_outputs_);
  const size_t first_media = tensors.size();
  tensors.insert(tensors.end(), more.begin(), more.end());
  SafetensorsWriter writer(path, std::move(tensors), kShardBytes);
  bool whole = stream(*source_, outputs_, options,
                      [&](size_t t, int64_t at, std::span<const std::byte> bytes) { writer.write(t, at, bytes); });
  whole = whole && (mmproj_ == nullptr || stream(*mmproj_, media_outputs_, options,
                                                 [&](size_t t, int64_t at, std::span<const std::byte> bytes) {
                                                   writer.write(first_media + t, at, bytes);
                                                 }));
  if (!whole) return std::nullopt;
  writer.finish();
  write_side_files(path);
  return writer.total_bytes();
}

void Conversion::write_side_files(const std::string& path) const {
  write_text(path + "/config.json", write_json(folder_config(), 2) + "\n");
  write_text(path + "/generation_config.json", write_json(hf_generation_config(*config_), 2) + "\n");
  if (mmproj_ != nullptr) {
    const json::object processor = hf_processor_config(media_, ProcessorConfig::from(*mmproj_, media_));
    write_text(path + "/processor_config.json", write_json(processor, 2) + "\n");
  }
  if (source_->metadata().string("tokenizer.ggml.model").value_or("none") == "none") return;
  AtomicFile tokenizer(path + "/tokenizer.json");
  std::string buffer;
  const auto flush = [&] {
    tokenizer.write(buffer);
    buffer.clear();
  };
  write_hf_tokenizer(
      *source_, *config_,
      [&](std::string_view text) {
        buffer += text;
        if (buffer.size() > (size_t{1} << 20)) flush();
      },
      [&](std::string_view text) { write_text(path + "/tokenizer_config.json", text); });
  flush();
  tokenizer.commit();
}

std::optional<int64_t> Conversion::run(const std::string& path, const StreamOptions& options, bool replace) const {
  if (!folder_) return run_gguf(path, options);
  NewFolder folder(path, replace);
  const auto bytes = run_folder(folder.current(), options);
  if (bytes) folder.finish();
  return bytes;
}

}  // namespace gemma
