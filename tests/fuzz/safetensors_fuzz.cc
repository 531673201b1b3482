// SPDX-License-Identifier: Apache-2.0
// safetensors headers, and (input that begins with a brace) the index and the configuration beside a good file.
// Links: file
#include <algorithm>

#include "file/model_file.h"
#include "fuzz/fuzz.h"

namespace gemma {
namespace {

ModelFile open(std::vector<std::byte> bytes, std::map<std::string, std::string, std::less<>> side_files = {}) {
  std::vector<std::unique_ptr<ByteSource>> sources;
  sources.push_back(memory_source("m.safetensors", std::move(bytes)));
  return ModelFile::open(std::move(sources), std::move(side_files));
}

void read_tensors(std::vector<std::byte> input) {
  const ModelFile file = open(std::move(input));
  std::vector<std::byte> bytes;
  int64_t total = 0;
  for (const TensorRecord& record : file.tensors()) {
    bytes.resize(static_cast<size_t>(record.bytes));
    file.read(record, bytes);
    total += record.bytes;
  }
  if (total > file.total_bytes()) __builtin_trap();  // no byte belongs to two tensors
}

void read_side_files(std::string_view text) {
  constexpr std::string_view kHeader = R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})";
  const uint64_t length = kHeader.size();
  std::string good(reinterpret_cast<const char*>(&length), sizeof(length));
  good += kHeader;
  good += 'x';
  std::vector<std::byte> bytes(good.size());
  std::transform(good.begin(), good.end(), bytes.begin(), [](char c) { return static_cast<std::byte>(c); });
  open(bytes, {{"config.json", std::string(text)}});
  open(bytes, {{"model.safetensors.index.json", std::string(text)}});
}

}  // namespace
}  // namespace gemma

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gemma::fuzz::refuses_or_reads([&] {
    if (size > 0 && data[0] == '{') {
      gemma::read_side_files(gemma::fuzz::text(data, size));
    } else {
      gemma::read_tensors(gemma::fuzz::bytes(data, size));
    }
  });
}
