// SPDX-License-Identifier: Apache-2.0
#include "file/model_file.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "file/mmproj_name.h"
#include "file/readers.h"

namespace gemma {
namespace {

constexpr std::string_view kIndexName = "model.safetensors.index.json";
constexpr int64_t kLargestSideFile = int64_t{1} << 28;  // tokenizer.json has 33 MB

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

bool is_file(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

/** "NAME-00002-of-00005.gguf": part 2 of 5 of "NAME". */
struct PartName {
  std::string base, extension;
  int part = 0, parts = 0;
  std::string path(int i) const { return fmt::format("{}-{:05}-of-{:05}{}", base, i, parts, extension); }
};

std::optional<PartName> part_name(const std::string& path, std::string_view extension) {
  constexpr std::string_view kTail = "-00000-of-00000";
  if (!path.ends_with(extension) || path.size() < kTail.size() + extension.size()) return std::nullopt;
  const size_t at = path.size() - extension.size() - kTail.size();
  const std::string tail = path.substr(at, kTail.size());
  for (size_t i = 0; i < kTail.size(); ++i) {
    const bool digit = tail[i] >= '0' && tail[i] <= '9';
    if (kTail[i] == '0' ? !digit : tail[i] != kTail[i]) return std::nullopt;
  }
  return PartName{path.substr(0, at), std::string(extension), std::stoi(tail.substr(1, 5)), std::stoi(tail.substr(10))};
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (auto it = std::filesystem::directory_iterator(folder, error); !error && it != std::filesystem::end(it);
       it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error) fail(folder, "cannot list the folder: {}", error.message());
  std::sort(names.begin(), names.end());
  return names;
}

/** The model of a folder by the names in it, when there is one and no other. */
std::string choose_in(const std::string& folder) {
  std::vector<std::string> indexes, safetensors, ggufs, others;
  for (const std::string& name : names_in(folder)) {
    const std::optional<PartName> part = part_name(name, ".gguf");
    if (name == "model.safetensors" || name == kIndexName) return name;
    if (name.ends_with(".safetensors.index.json")) indexes.push_back(name);
    if (name.ends_with(".safetensors")) safetensors.push_back(name);
    if (name.ends_with(".gguf") && !is_mmproj_name(name) && (!part || part->part == 1)) ggufs.push_back(name);
    for (const char* end :
         {".bin", ".pt", ".pth", ".ckpt", ".onnx", ".npz", ".h5", ".msgpack", ".tflite", ".litertlm"}) {
      if (name.ends_with(end)) others.push_back(name);
    }
  }
  for (const auto& candidates : {indexes, safetensors, ggufs}) {
    if (candidates.size() == 1) return candidates[0];
    if (candidates.size() > 1) {
      fail(folder, "the folder holds {} models ({}): name the file", candidates.size(), joined(candidates));
    }
  }
  if (!others.empty()) {
    fail(folder,
         "expected model.safetensors or a .gguf file, found {}: this format is not supported, take the "
         "safetensors checkpoint or a GGUF file",
         others[0]);
  }
  fail(folder, "no model in this folder: expected model.safetensors, {} or a .gguf file", kIndexName);
}

}  // namespace

ModelFile ModelFile::open(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return open_folder(path);
  return path.ends_with(".safetensors.index.json") ? open_index(path) : open_file(path);
}

ModelFile ModelFile::open_folder(const std::string& path) {
  const std::string file = (path.ends_with('/') ? path : path + "/") + choose_in(path);
  ModelFile model = file.ends_with(".index.json") ? open_index(file) : open_file(file);
  model.name_ = path;
  return model;
}

ModelFile ModelFile::open_index(const std::string& path) {
  ModelFile model;
  model.name_ = path;
  model.folder_ = folder_of(path);
  const std::string text = read_file(path, kLargestSideFile);
  const auto files = read_index(path, text);
  std::vector<std::string> names;
  names.reserve(files.size());
  for (const auto& [tensor, file] : files) names.push_back(file);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::vector<std::unique_ptr<ByteSource>> sources;
  for (const std::string& name : names) sources.push_back(file_source(model.folder_ + "/" + name));
  model.add_parts(std::move(sources));
  model.check_index(path, text);
  return model;
}

ModelFile ModelFile::open_file(const std::string& path) {
  if (const auto part = part_name(path, ".safetensors"); part && part->parts > 1) {
    const std::string index = part->base + ".safetensors.index.json";
    if (is_file(index)) return open_index(index);
    fail(path, "is one of {} shards: expected their index {} in the same folder", part->parts, index);
  }
  ModelFile model;
  model.name_ = path;
  model.folder_ = folder_of(path);
  std::vector<std::unique_ptr<ByteSource>> sources;
  const auto part = part_name(path, ".gguf");
  if (part && part->part != 1) {
    fail(path, "is part {} of {}: open the first, {}", part->part, part->parts, part->path(1));
  }
  sources.push_back(file_source(path));
  for (int i = 2; part && i <= part->parts; ++i) sources.push_back(file_source(part->path(i)));
  model.add_parts(std::move(sources));
  return model;
}

ModelFile ModelFile::open(std::vector<std::unique_ptr<ByteSource>> sources,
                          std::map<std::string, std::string, std::less<>> side_files) {
  GEMMA_CHECK(!sources.empty(), "a model file has a source");
  ModelFile model;
  model.name_ = sources[0]->name();
  model.side_files_ = std::move(side_files);
  model.add_parts(std::move(sources));
  if (const auto index = model.side_file(kIndexName)) model.check_index(kIndexName, *index);
  return model;
}

void ModelFile::add_parts(std::vector<std::unique_ptr<ByteSource>> sources) {
  sources_ = std::move(sources);
  format_ = recognise(*sources_[0]);
  if (format_ == FileFormat::safetensors) {
    for (const char* name : {"config.json", "hf_quant_config.json"}) {
      if (const auto config = side_json(name)) refuse_quantized_config(name_, *config);
    }
  }
  std::vector<Header> headers;
  for (const auto& source : sources_) {
    if (recognise(*source) != format_) fail(source->name(), "expected the same format as {}", sources_[0]->name());
    headers.push_back(format_ == FileFormat::gguf ? read_gguf(*source) : read_safetensors(*source));
  }
  if (format_ == FileFormat::gguf) check_splits(sources_, headers);
  for (size_t i = 0; i < headers.size(); ++i) {
    for (TensorRecord& record : headers[i].tensors) {
      record.source = static_cast<int>(i);
      const auto [at, added] = index_.emplace(record.name, tensors_.size());
      if (!added) {
        const int other = tensors_[at->second].source;
        fail(sources_[i]->name(), "tensor '{}' occurs twice{}", record.name,
             other == record.source ? "" : fmt::format(" (also in {})", source(other).name()));
      }
      tensors_.push_back(std::move(record));
    }
  }
  metadata_ = std::move(headers[0].metadata);
  // What is open is the whole model: a copy of the keys must not say "first of several parts".
  for (const char* key : {"split.no", "split.count", "split.tensors.count"}) metadata_.erase(key);
}

void ModelFile::check_index(std::string_view where, std::string_view text) const {
  const auto files = read_index(where, text);
  for (const auto& [tensor, file] : files) {
    const TensorRecord* record = find(tensor);
    if (record == nullptr) fail(where, "weight_map: tensor '{}' is not in '{}'", tensor, file);
    const std::string& found = source(record->source).name();
    if (found != file && !found.ends_with("/" + file)) {
      fail(where, "weight_map: tensor '{}': expected in '{}', found in '{}'", tensor, file, found);
    }
  }
  for (const TensorRecord& record : tensors_) {
    if (!files.contains(record.name)) {
      fail(source(record.source).name(), "tensor '{}' is not in the index {}: the shards are of different models",
           record.name, where);
    }
  }
}

const TensorRecord* ModelFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

int64_t ModelFile::total_bytes() const {
  int64_t bytes = 0;
  for (const auto& source : sources_) bytes += source->size();
  return bytes;
}

void ModelFile::read(const TensorRecord& record, std::span<std::byte> out) const {
  GEMMA_CHECK(static_cast<int64_t>(out.size()) == record.bytes, "room for the whole tensor");
  source(record.source).read(record.offset, out);
}

void ModelFile::read_rows(const TensorRecord& record, int64_t first, int64_t n, std::span<std::byte> out) const {
  const int64_t row = bytes_of(record.dtype, record.shape.cols());
  GEMMA_CHECK(first >= 0 && n >= 0 && first <= record.shape.rows() && n <= record.shape.rows() - first,
              "rows inside the tensor");
  GEMMA_CHECK(static_cast<int64_t>(out.size()) == n * row, "room for the rows");
  source(record.source).read(record.offset + first * row, out);
}

Tensor ModelFile::map_rows(const TensorRecord& record, int64_t first, int64_t n) const {
  std::shared_ptr<Storage> storage = source(record.source).map();
  if (storage == nullptr) return {};
  const int64_t offset = record.offset + first * bytes_of(record.dtype, record.shape.cols());
  return Tensor(std::move(storage), offset, record.dtype, Shape{n, record.shape.cols()});
}

void ModelFile::forget_vocabulary() {
  for (const char* list : {"tokens", "scores", "token_type", "merges"}) {
    metadata_.erase(fmt::format("tokenizer.ggml.{}", list));
  }
}

void ModelFile::check() const {
  for (const auto& source : sources_) source->check();
}

void ModelFile::will_read_rows(const TensorRecord& record, int64_t first, int64_t n) const {
  const int64_t row = bytes_of(record.dtype, record.shape.cols());
  source(record.source).will_read(record.offset + first * row, n * row);
}

std::optional<std::string> ModelFile::side_file(std::string_view name) const {
  if (const auto found = side_files_.find(name); found != side_files_.end()) return found->second;
  if (folder_.empty()) return std::nullopt;
  const std::string path = fmt::format("{}/{}", folder_, name);
  if (!is_file(path)) return std::nullopt;
  return read_file(path, kLargestSideFile);
}

std::optional<json::value> ModelFile::side_json(std::string_view name) const {
  const std::optional<std::string> text = side_file(name);
  if (!text) return std::nullopt;
  return parse_json_or_fail(folder_.empty() ? std::string(name) : fmt::format("{}/{}", folder_, name), *text);
}

}  // namespace gemma
