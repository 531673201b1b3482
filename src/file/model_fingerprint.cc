// SPDX-License-Identifier: Apache-2.0
#include "file/model_fingerprint.h"

#include <algorithm>
#include <vector>

namespace gemma {
namespace {

constexpr int64_t kSample = 1024;  // bytes

Fingerprint fingerprint_of(const ByteSource& source, int64_t begin, int64_t bytes) {
  std::vector<std::byte> read(static_cast<size_t>(bytes));
  source.read(begin, read);
  return Fingerprint::of(read);
}

}  // namespace

Fingerprint fingerprint_of(const ModelFile& file) {
  std::vector<Fingerprint> parts;
  std::vector<int64_t> heads;  // by source, where its first tensor begins
  for (int i = 0; i < file.sources(); ++i) heads.push_back(file.source(i).size());
  for (const TensorRecord& tensor : file.tensors()) {
    int64_t& head = heads[static_cast<size_t>(tensor.source)];
    head = std::min(head, tensor.offset);
    const int64_t bytes = std::min(kSample, tensor.bytes);
    for (const int64_t place : {int64_t{0}, (tensor.bytes - bytes) / 2, tensor.bytes - bytes}) {
      parts.push_back(fingerprint_of(file.source(tensor.source), tensor.offset + place, bytes));
    }
  }
  for (int i = 0; i < file.sources(); ++i) {
    parts.push_back(fingerprint_of(file.source(i), 0, heads[static_cast<size_t>(i)]));
    parts.push_back({{static_cast<uint64_t>(file.source(i).size()), 0}});
  }
  parts.push_back(Fingerprint::of(file.side_file("config.json").value_or("")));
  return Fingerprint::of(std::as_bytes(std::span(parts)));
}

}  // namespace gemma
