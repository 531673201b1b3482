// SPDX-License-Identifier: Apache-2.0
// A checkpoint in another form: to GGUF (from a Hugging Face folder or another GGUF), or from GGUF to a folder that
// transformers loads. A GGUF holds the text model; the encoders of pictures and sound have a file of their own.
//
//   const Conversion c = Conversion::to_gguf(file, FileType::q4_k_m);
//   c.run("model.gguf", {});
//
// The bytes written depend on the source and the type alone. Output appears under its name when it is whole.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "config/drafter_config.h"
#include "config/media_config.h"
#include "convert/file_type.h"
#include "convert/inventory.h"
#include "convert/stream.h"

namespace gemma {

class Conversion {
 public:
  /** `source` outlives the conversion. Fails when the source is not a whole text model. */
  static Conversion to_gguf(const ModelFile& source, FileType type);
  /** The encoders of pictures and sound of a Hugging Face folder; nullopt when it has none. */
  static std::optional<Conversion> to_mmproj(const ModelFile& source, FileType type);
  /** dtype: f32, bf16 or f16; without one the smallest that loses nothing. `mmproj`: the file of its encoders, which
   *  outlives the conversion; null for a text model alone. */
  static Conversion to_folder(const ModelFile& source, std::optional<DType> dtype, const ModelFile* mmproj = nullptr);

  int64_t bytes_to_read() const { return source_bytes(outputs_) + source_bytes(media_outputs_); }
  const std::vector<OutputTensor>& outputs() const { return outputs_; }
  /** What a person should know: what was left out or is lossy. */
  const std::vector<std::string>& notes() const { return notes_; }

  /** Bytes written; nullopt when cancelled, and then nothing is left behind. A folder must not exist unless `replace`.
   */
  std::optional<int64_t> run(const std::string& path, const StreamOptions& options, bool replace = false) const;

 private:
  explicit Conversion(const ModelFile& source) : source_(&source) {}
  void plan_from_folder(FileType type);
  void plan_from_gguf(FileType type);
  std::vector<ItemOfModel> items() const;
  void apply_types(FileType type, int layers, int experts);
  std::optional<int64_t> run_gguf(const std::string& path, const StreamOptions& options) const;
  json::object folder_config() const;
  void write_side_files(const std::string& path) const;
  std::optional<int64_t> run_folder(const std::string& path, const StreamOptions& options) const;

  const ModelFile* source_;
  bool folder_ = false;
  const ModelFile* mmproj_ = nullptr;  // of a folder with encoders
  MediaConfig media_;                  // the same
  Metadata keys_;                      // of a GGUF
  std::optional<Config> config_;       // of a drafter: its stack
  std::optional<DrafterConfig> drafter_;
  DType dtype_ = DType::f32;                           // of a folder
  std::vector<OutputTensor> outputs_, media_outputs_;  // of source_, of mmproj_
  std::vector<std::string> notes_;
};

}  // namespace gemma
