// SPDX-License-Identifier: Apache-2.0
// ModelFile: one face for a checkpoint, whatever it is stored as (safetensors file, shards with an index, GGUF, split
// GGUF). Nothing read from a file is believed before it is checked: lengths, offsets, counts, products of dimensions.
//
//   ModelFile file = ModelFile::open("model-folder-or-file");
//   if (auto t = file.find("model.norm.weight")) file.read(*t, bytes);
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "file/metadata.h"
#include "tensor/tensor.h"

namespace gemma {

/** Where bytes come from: a file, a memory block, later a hub or a browser's storage. Reads from several threads. */
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual int64_t size() const = 0;
  virtual const std::string& name() const = 0;  // for messages
  virtual void read(int64_t offset, std::span<std::byte> out) const = 0;
  /** Says that this part will be read soon. */
  virtual void will_read(int64_t /*offset*/, int64_t /*bytes*/) const {}
  /** All of it as memory that is read when it is touched; null where there is no such thing. check() says afterwards
   *  whether it could be. */
  virtual std::shared_ptr<Storage> map() const { return nullptr; }
  /** Fails when it is no longer what it was when it was opened. */
  virtual void check() const {}
};

std::unique_ptr<ByteSource> file_source(const std::string& path);
std::unique_ptr<ByteSource> file_source(File file);
std::unique_ptr<ByteSource> memory_source(std::string name, std::vector<std::byte> bytes);

struct TensorRecord {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;         // row-major (GGUF's innermost-first sizes are turned round)
  int source = 0;      // which of the file's sources
  int64_t offset = 0;  // absolute, in that source
  int64_t bytes = 0;
};

enum class FileFormat : uint8_t { safetensors, gguf };

class ModelFile {
 public:
  /** A .gguf file (with its further parts when it is the first of a split), a .safetensors file, an index, or a folder
   *  of a Hugging Face checkpoint. Fails with a message that says what it is instead when it is something else. */
  static ModelFile open(const std::string& path);
  /** From sources, for tests and for places without a file system. `side_files`: config.json and the like by name. */
  static ModelFile open(std::vector<std::unique_ptr<ByteSource>> sources,
                        std::map<std::string, std::string, std::less<>> side_files = {});

  FileFormat format() const { return format_; }
  const std::string& name() const { return name_; }  // for messages: the path as given
  const TensorRecord* find(std::string_view name) const;
  const std::vector<TensorRecord>& tensors() const { return tensors_; }  // in file order
  const Metadata& metadata() const { return metadata_; }
  /** Lets go of the tokenizer's lists, which are most of what an open file holds (E2B: 40 MB). Once they are read. */
  void forget_vocabulary();
  int sources() const { return static_cast<int>(sources_.size()); }
  const ByteSource& source(int i) const { return *sources_[static_cast<size_t>(i)]; }
  int64_t total_bytes() const;  // of all sources

  /** out.size() == record.bytes. */
  void read(const TensorRecord& record, std::span<std::byte> out) const;
  /** `n` rows from row `first` of a tensor seen as [rows, cols]. */
  void read_rows(const TensorRecord& record, int64_t first, int64_t n, std::span<std::byte> out) const;

  /** The same rows as a view on the file, [n, cols]; undefined where the source cannot be mapped. */
  Tensor map_rows(const TensorRecord& record, int64_t first, int64_t n) const;
  /** Fails when a source is no longer what it was when it was opened. */
  void check() const;
  /** Says that these rows will be read soon. */
  void will_read_rows(const TensorRecord& record, int64_t first, int64_t n) const;

  /** A file of the checkpoint's folder, by name ("config.json", "tokenizer.json"); nullopt when there is none. */
  std::optional<std::string> side_file(std::string_view name) const;
  /** The same parsed; fails when it is there and is not JSON. */
  std::optional<json::value> side_json(std::string_view name) const;
  /** Where side files are, "" when the model was not opened from disk. */
  const std::string& folder() const { return folder_; }

 private:
  static ModelFile open_folder(const std::string& path);
  static ModelFile open_index(const std::string& path);
  static ModelFile open_file(const std::string& path);
  void add_parts(std::vector<std::unique_ptr<ByteSource>> sources);
  void check_index(std::string_view where, std::string_view text) const;

  FileFormat format_ = FileFormat::safetensors;
  std::string name_, folder_;
  std::vector<std::unique_ptr<ByteSource>> sources_;
  std::vector<TensorRecord> tensors_;
  std::map<std::string, size_t, std::less<>> index_;
  Metadata metadata_;
  std::map<std::string, std::string, std::less<>> side_files_;
};

}  // namespace gemma
