// SPDX-License-Identifier: Apache-2.0
// Writes a GGUF v3 file: header first, since names, types and shapes are known before any byte of data is; then tensor
// data at known offsets, in any order and from any thread. The bytes depend on the arguments alone.
//
//   GgufWriter writer("model.gguf", metadata, tensors);   // reserves the disk space
//   writer.write(3, 0, bytes);                            // tensor 3, from its byte 0
//   writer.finish();                                      // takes the name "model.gguf"; without it no file is left
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "file/metadata.h"
#include "tensor/tensor.h"

namespace gemma {

/** A tensor that is going to be written. The shape is row-major; the writer turns it round. */
struct NewTensor {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
};

inline constexpr int64_t kGgufAlignment = 32;

/** All of a GGUF file that is not tensor data, and where the data belongs. */
struct GgufHeader {
  std::vector<std::byte> bytes;  // padded: the data section starts right after it
  std::vector<int64_t> offsets;  // absolute, one per tensor, in the order given
  int64_t file_bytes = 0;
};

/** The key general.alignment is left out: files of this writer have the default. Fails when a value does not fit its
 * type, a name is too long or used twice, or a row is not whole blocks. */
GgufHeader gguf_header(const std::string& where, const Metadata& metadata, std::span<const NewTensor> tensors);

class GgufWriter {
 public:
  GgufWriter(const std::string& path, const Metadata& metadata, std::vector<NewTensor> tensors);

  int64_t file_bytes() const { return header_.file_bytes; }
  const std::vector<NewTensor>& tensors() const { return tensors_; }
  /** Bytes of tensor `tensor` from its byte `at` on; each byte is to be written once. From any thread. */
  void write(size_t tensor, int64_t at, std::span<const std::byte> bytes);
  /** Fails when a tensor has not been written whole. */
  void finish();

 private:
  std::string path_;
  std::vector<NewTensor> tensors_;
  GgufHeader header_;
  AtomicFile file_;
  std::unique_ptr<std::atomic<int64_t>[]> written_;  // bytes per tensor
};

}  // namespace gemma
