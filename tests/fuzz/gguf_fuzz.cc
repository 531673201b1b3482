// SPDX-License-Identifier: Apache-2.0
// GGUF headers: what is accepted lies inside the file, and what was read can be written and read again.
// Links: file
#include "file/gguf_writer.h"

#include "file/model_file.h"
#include "fuzz/fuzz.h"

namespace gemma {
namespace {

ModelFile open(std::vector<std::byte> bytes) {
  std::vector<std::unique_ptr<ByteSource>> sources;
  sources.push_back(memory_source("m.gguf", std::move(bytes)));
  return ModelFile::open(std::move(sources));
}

void read_all(const ModelFile& file) {
  std::vector<std::byte> bytes;
  for (const TensorRecord& record : file.tensors()) {
    bytes.resize(static_cast<size_t>(record.bytes));
    file.read(record, bytes);
    file.read_rows(record, record.shape.rows() - 1, 1,
                   std::span(bytes).first(static_cast<size_t>(bytes_of(record.dtype, record.shape.cols()))));
  }
}

/** NaN is a value that a key may have, and is not equal to itself: values are compared as they are written. */
void write_again(const ModelFile& file) {
  std::vector<NewTensor> tensors;
  for (const TensorRecord& t : file.tensors()) tensors.push_back({t.name, t.dtype, t.shape});
  const GgufHeader header = gguf_header("again.gguf", file.metadata(), tensors);
  std::vector<std::byte> bytes = header.bytes;
  bytes.resize(static_cast<size_t>(header.file_bytes));
  const ModelFile again = open(std::move(bytes));
  if (gguf_header("again.gguf", again.metadata(), tensors).bytes != header.bytes) __builtin_trap();
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorRecord* record = again.find(tensors[i].name);
    if (record == nullptr || !(record->shape == tensors[i].shape) || record->offset != header.offsets[i]) {
      __builtin_trap();
    }
  }
}

}  // namespace
}  // namespace gemma

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gemma::fuzz::refuses_or_reads([&] {
    const gemma::ModelFile file = gemma::open(gemma::fuzz::bytes(data, size));
    gemma::read_all(file);
    if (file.format() == gemma::FileFormat::gguf) gemma::write_again(file);
  });
}
