// SPDX-License-Identifier: Apache-2.0
#include "convert/random_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "config/names.h"
#include "convert/gguf_keys.h"
#include "convert/inventory.h"
#include "convert/model_shapes.h"
#include "convert/random_tensor.h"
#include "file/gguf_writer.h"

namespace gemma {
namespace {

constexpr float kNormSpread = 0.1f;  // of factors around 1
constexpr float kRouterGain = 4;     // scores as far apart as a router's are that has learnt something

/** The bytes of a whole file: header, tensors, padding. */
class RandomSource final : public ByteSource {
 public:
  struct Part {
    int64_t offset, bytes;
    std::vector<std::byte> given;          // the header and constants
    std::unique_ptr<RandomTensor> random;  // else
  };

  RandomSource(std::string name, std::vector<Part> parts, int64_t size)
      : name_(std::move(name)), parts_(std::move(parts)), size_(size) {}

  int64_t size() const override { return size_; }
  const std::string& name() const override { return name_; }

  void read(int64_t offset, std::span<std::byte> out) const override {
    const auto length = static_cast<int64_t>(out.size());
    if (offset < 0 || offset > size_ || length > size_ - offset) {
      fail(name_, "cannot read {} bytes at byte {}: file ends after {}", length, offset, size_);
    }
    const auto after = [](int64_t at, const Part& part) { return at < part.offset; };
    auto part = std::upper_bound(parts_.begin(), parts_.end(), offset, after);
    if (part != parts_.begin()) --part;
    int64_t at = offset;
    for (; part != parts_.end() && part->offset < offset + length; ++part) {
      const int64_t begin = std::max(offset, part->offset);
      const int64_t end = std::min(offset + length, part->offset + part->bytes);
      if (begin >= end) continue;
      clear(out, at - offset, begin - offset);
      read_part(*part, begin - part->offset,
                out.subspan(static_cast<size_t>(begin - offset), static_cast<size_t>(end - begin)));
      at = end;
    }
    clear(out, at - offset, length);
  }

 private:
  /** What lies between tensors is zero. */
  static void clear(std::span<std::byte> out, int64_t begin, int64_t end) {
    std::fill(out.begin() + begin, out.begin() + end, std::byte{0});
  }

  static void read_part(const Part& part, int64_t at, std::span<std::byte> out) {
    if (part.random) return part.random->read(at, out);
    std::memcpy(out.data(), part.given.data() + at, out.size());
  }

  std::string name_;
  std::vector<Part> parts_;  // by offset
  int64_t size_;
};

/** A checkpoint folder of this model without weights, for the functions that read one. */
ModelFile bare_folder(const RandomModelOptions& o, const std::string& name, std::string tokenizer) {
  std::map<std::string, std::string, std::less<>> files{
      {"config.json", write_json(o.drafter ? drafter_config_of_size(o.size) : config_of_size(o.size, o.layers))},
      {"generation_config.json", write_json(generation_config_of_size(o.size))},
  };
  if (!tokenizer.empty()) files.emplace("tokenizer.json", std::move(tokenizer));
  constexpr std::string_view kEmpty("\x02\0\0\0\0\0\0\0{}", 10);  // safetensors that hold nothing
  std::vector<std::byte> bytes(kEmpty.size());
  std::memcpy(bytes.data(), kEmpty.data(), bytes.size());
  std::vector<std::unique_ptr<ByteSource>> sources;
  sources.push_back(memory_source(name, std::move(bytes)));
  return ModelFile::open(std::move(sources), std::move(files));
}

void copy_tokenizer_keys(const ModelFile& from, const Config& config, Metadata& keys) {
  const std::vector<std::string>* pieces = from.metadata().strings("tokenizer.ggml.tokens");
  const size_t found = pieces == nullptr ? 0 : pieces->size();
  if (found != static_cast<size_t>(config.vocab)) {
    fail(from.name(), "expected a tokenizer of {} pieces, found {}", config.vocab, found);
  }
  for (const Metadata::Entry& entry : from.metadata().entries()) {
    if (entry.first.starts_with("tokenizer.")) keys.set(entry.first, entry.second, entry.type);
  }
}

struct Plan {
  Config config;
  Metadata keys;
  std::vector<NewTensor> tensors;  // as GGUF names them
  std::vector<std::string> names;  // as the reference does
  std::vector<float> divisors;     // the values of the last tensor, when there are any
};

constexpr std::string_view kOrdering = "masked_embedding.token_ordering";

void plan_tensors(const RandomModelOptions& o, std::vector<ExpectedTensor> expected, Plan& plan) {
  for (ExpectedTensor& t : expected) {
    if (!t.required) continue;
    const std::string name = gguf_name(t.name).value();
    const DType kept = t.name == kOrdering       ? DType::i32
                       : o.type == FileType::f32 ? DType::f32
                                                 : unquantized_type(name, t.shape, DType::bf16);
    plan.tensors.push_back({name, kept, t.shape});
    plan.names.push_back(std::move(t.name));
  }
  plan.divisors = rope_divisors(plan.config);
  if (!plan.divisors.empty()) {
    plan.tensors.push_back({std::string(kRopeFreqs), DType::f32, Shape{std::ssize(plan.divisors)}});
  }
  const LayerConfig& first = plan.config.layers.front();
  const int experts = first.moe ? first.moe->experts : 0;
  const auto layers = static_cast<int>(plan.config.layers.size());
  const std::vector<DType> types = choose_types(o.type, layers, experts, plan.tensors);
  for (size_t i = 0; i < types.size(); ++i) plan.tensors[i].dtype = types[i];
}

Plan make_plan(const RandomModelOptions& o, const std::string& name) {
  namespace fs = std::filesystem;
  const fs::path path = o.tokenizer;
  const bool gguf = path.extension() == ".gguf";
  std::string tokenizer;
  if (!o.tokenizer.empty() && !gguf) {
    std::error_code ignored;
    tokenizer = read_file(fs::is_directory(path, ignored) ? path / "tokenizer.json" : path);
  }
  const ModelFile folder = bare_folder(o, name, std::move(tokenizer));
  Plan plan;
  if (o.drafter) {
    const DrafterConfig drafter = DrafterConfig::from(folder);
    plan.config = drafter.stack;
    add_drafter_keys(folder, drafter, plan.keys);
    add_file_type_keys(o.type, plan.keys);
    plan_tensors(o, expected_tensors(drafter), plan);
    return plan;
  }
  plan.config = Config::from(folder);
  add_model_keys(folder, plan.config, plan.keys);
  if (gguf) {
    copy_tokenizer_keys(ModelFile::open(o.tokenizer), plan.config, plan.keys);
  } else {
    add_tokenizer_keys(folder, plan.config, plan.keys);
  }
  add_file_type_keys(o.type, plan.keys);
  plan_tensors(o, expected_tensors(plan.config), plan);
  return plan;
}

/** Values such that a forward pass keeps its numbers in the ranges of a trained model's. */
RandomTensor values_of(uint64_t seed, size_t index, std::string_view name, const NewTensor& tensor, const Config& c) {
  float centre = 0, spread = 1.0f / std::sqrt(static_cast<float>(tensor.shape.cols()));
  if (tensor.shape.rank == 1) {  // norms and scales
    centre = 1;
    spread = kNormSpread;
  } else if (name == "embed_tokens_per_layer.weight") {  // rows of many layers side by side
    spread = 1.0f / std::sqrt(static_cast<float>(c.per_layer_dim));
  } else if (name.ends_with("router.proj.weight")) {
    spread *= kRouterGain;
  }
  return RandomTensor(seed, index, tensor.dtype, centre, spread);
}

template <class T>
std::vector<std::byte> bytes_of_values(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

std::unique_ptr<ByteSource> random_model(const RandomModelOptions& options) {
  const std::string name =
      fmt::format("random {}{} {}", options.drafter ? "drafter of " : "", options.size, name_of(options.type));
  const Plan plan = make_plan(options, name);
  GgufHeader header = gguf_header(name, plan.keys, plan.tensors);
  std::vector<RandomSource::Part> parts;
  const auto header_bytes = std::ssize(header.bytes);
  parts.push_back({0, header_bytes, std::move(header.bytes), nullptr});
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const NewTensor& tensor = plan.tensors[i];
    RandomSource::Part part{header.offsets[i], bytes_of(tensor.dtype, tensor.shape.count()), {}, nullptr};
    if (tensor.dtype == DType::i32) {  // each token in its place
      std::vector<int32_t> order(static_cast<size_t>(tensor.shape.count()));
      std::iota(order.begin(), order.end(), 0);
      part.given = bytes_of_values(order);
    } else if (i < plan.names.size()) {
      part.random = std::make_unique<RandomTensor>(values_of(options.seed, i, plan.names[i], tensor, plan.config));
    } else {
      part.given = bytes_of_values(plan.divisors);
    }
    parts.push_back(std::move(part));
  }
  return std::make_unique<RandomSource>(name, std::move(parts), header.file_bytes);
}

}  // namespace gemma
