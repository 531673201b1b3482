// SPDX-License-Identifier: Apache-2.0
// Writes safetensors: one file, or a folder of shards with model.safetensors.index.json as transformers expects it.
// Names, types and shapes are known first; data follows in any order and from any thread.
//
//   SafetensorsWriter writer("out-folder", tensors, 5'000'000'000);
//   writer.write(3, 0, bytes);
//   writer.finish();
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "file/gguf_writer.h"
#include "tensor/tensor.h"

namespace gemma {

class SafetensorsWriter {
 public:
  /** `path` ends in ".safetensors": that one file. Else a folder, which must exist: model.safetensors, or shards of at
   *  most `shard_bytes` each (a tensor is never cut) and their index when one file would be larger.
   *  Plain types only: f32 f16 bf16 i32 i64 u8. */
  SafetensorsWriter(const std::string& path, std::vector<NewTensor> tensors, int64_t shard_bytes = 0);
  ~SafetensorsWriter();

  int64_t total_bytes() const;  // of all files
  /** Bytes of tensor `tensor` from its byte `at` on; each byte is to be written once. From any thread. */
  void write(size_t tensor, int64_t at, std::span<const std::byte> bytes);
  /** Fails when a tensor has not been written whole. The files take their names, the index last. */
  void finish();

 private:
  struct Shard;
  struct Place {
    size_t shard = 0;
    int64_t offset = 0;
  };
  void lay_out(int64_t shard_bytes);
  std::string header_of(size_t shard) const;

  std::string path_;
  bool single_ = false;
  std::vector<NewTensor> tensors_;
  std::vector<Place> places_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<std::atomic<int64_t>[]> written_;
};

/** One file of tensors that are in memory (host, rows layout). */
void write_safetensors(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors);

}  // namespace gemma
