// SPDX-License-Identifier: Apache-2.0
#include "file/safetensors_writer.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/json.h"

namespace gemma {
namespace {

std::string_view type_name(const std::string& where, const NewTensor& tensor) {
  switch (tensor.dtype) {
    case DType::f32:
      return "F32";
    case DType::f16:
      return "F16";
    case DType::bf16:
      return "BF16";
    case DType::i32:
      return "I32";
    case DType::i64:
      return "I64";
    case DType::u8:
      return "U8";
    default:
      break;
  }
  fail(where, "tensor '{}': safetensors has no type {}", tensor.name, info(tensor.dtype).name);
}

int64_t size_of(const NewTensor& tensor) { return bytes_of(tensor.dtype, tensor.shape.count()); }

}  // namespace

/** A file to come: which tensors, in the order of their bytes. */
struct SafetensorsWriter::Shard {
  std::string name;
  std::vector<size_t> tensors;
  int64_t bytes = 0;       // of the tensors
  int64_t file_bytes = 0;  // with the header
  std::unique_ptr<AtomicFile> file;
};

SafetensorsWriter::SafetensorsWriter(const std::string& path, std::vector<NewTensor> tensors, int64_t shard_bytes)
    : path_(path),
      single_(path.ends_with(".safetensors")),
      tensors_(std::move(tensors)),
      places_(tensors_.size()),
      written_(std::make_unique<std::atomic<int64_t>[]>(tensors_.size())) {
  lay_out(single_ ? 0 : shard_bytes);
  for (size_t s = 0; s < shards_.size(); ++s) {
    Shard& shard = *shards_[s];
    const std::string header = header_of(s);
    shard.file = std::make_unique<AtomicFile>(single_ ? path_ : path_ + "/" + shard.name);
    shard.file_bytes = static_cast<int64_t>(header.size()) + shard.bytes;
    shard.file->reserve(shard.file_bytes);
    shard.file->write(header);
    for (const size_t t : shard.tensors) places_[t].offset += static_cast<int64_t>(header.size());
  }
}

SafetensorsWriter::~SafetensorsWriter() = default;

void SafetensorsWriter::lay_out(int64_t shard_bytes) {
  std::set<std::string_view> names;
  for (const NewTensor& t : tensors_) {
    type_name(path_, t);  // refuses what cannot be stored
    if (t.shape.count() < 1) fail(path_, "tensor '{}': shape {} holds no value", t.name, t.shape.str());
    if (!names.insert(t.name).second) fail(path_, "tensor '{}' would be written twice", t.name);
  }
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const int64_t bytes = size_of(tensors_[i]);
    const bool full = shard_bytes > 0 && !shards_.empty() && shards_.back()->bytes + bytes > shard_bytes;
    if (shards_.empty() || full) shards_.push_back(std::make_unique<Shard>());
    shards_.back()->tensors.push_back(i);
    shards_.back()->bytes += bytes;
  }
  if (shards_.empty()) shards_.push_back(std::make_unique<Shard>());
  for (size_t s = 0; s < shards_.size(); ++s) {
    Shard& shard = *shards_[s];
    shard.name = shards_.size() == 1 ? "model.safetensors"
                                     : fmt::format("model-{:05}-of-{:05}.safetensors", s + 1, shards_.size());
    // Wide types first, so that every tensor is aligned to its own type.
    std::sort(shard.tensors.begin(), shard.tensors.end(), [&](size_t a, size_t b) {
      const int wide_a = info(tensors_[a].dtype).bytes, wide_b = info(tensors_[b].dtype).bytes;
      return wide_a != wide_b ? wide_a > wide_b : a < b;
    });
    int64_t offset = 0;
    for (const size_t t : shard.tensors) {
      places_[t] = {s, offset};
      offset += size_of(tensors_[t]);
    }
  }
}

std::string SafetensorsWriter::header_of(size_t shard) const {
  json::object header;
  header["__metadata__"] = json::object{{"format", "pt"}};  // transformers asks for it
  for (const size_t t : shards_[shard]->tensors) {
    const NewTensor& tensor = tensors_[t];
    json::array shape;
    for (int i = 0; i < tensor.shape.rank; ++i) shape.push_back(tensor.shape[i]);
    const int64_t begin = places_[t].offset;
    header[tensor.name] = json::object{{"dtype", type_name(path_, tensor)},
                                       {"shape", std::move(shape)},
                                       {"data_offsets", json::array{begin, begin + size_of(tensor)}}};
  }
  std::string text = write_json(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');  // data starts at a multiple of 8
  const auto length = static_cast<uint64_t>(text.size());
  std::string out(reinterpret_cast<const char*>(&length), sizeof(length));
  return out + text;
}

int64_t SafetensorsWriter::total_bytes() const {
  int64_t bytes = 0;
  for (const auto& shard : shards_) bytes += shard->file_bytes;
  return bytes;
}

void SafetensorsWriter::write(size_t tensor, int64_t at, std::span<const std::byte> bytes) {
  const int64_t whole = size_of(tensors_[tensor]);
  const auto n = static_cast<int64_t>(bytes.size());
  GEMMA_CHECK(at >= 0 && n <= whole && at <= whole - n, "bytes inside their tensor");
  shards_[places_[tensor].shard]->file->write_at(places_[tensor].offset + at, bytes);
  written_[tensor].fetch_add(n, std::memory_order_relaxed);
}

void SafetensorsWriter::finish() {
  json::object map;
  int64_t total = 0;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const int64_t found = written_[i].load(std::memory_order_relaxed);
    if (found != size_of(tensors_[i])) {
      fail(path_, "tensor '{}': {} of {} bytes were written", tensors_[i].name, found, size_of(tensors_[i]));
    }
    map[tensors_[i].name] = shards_[places_[i].shard]->name;
    total += found;
  }
  for (const auto& shard : shards_) shard->file->commit();
  if (shards_.size() == 1) return;
  AtomicFile index(path_ + "/model.safetensors.index.json");
  index.write(write_json(json::object{{"metadata", json::object{{"total_size", total}}}, {"weight_map", map}}, 2) +
              "\n");
  index.commit();
}

void write_safetensors(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors) {
  std::vector<NewTensor> infos;
  infos.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) infos.push_back({name, tensor.dtype(), tensor.shape()});
  SafetensorsWriter writer(path, std::move(infos));
  for (size_t i = 0; i < tensors.size(); ++i) writer.write(i, 0, tensors[i].second.raw());
  writer.finish();
}

}  // namespace gemma
