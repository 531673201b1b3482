// SPDX-License-Identifier: Apache-2.0
// The readers of the two formats and what they share. Inside the module only: the face is ModelFile.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "file/model_file.h"

namespace gemma {

/** What the header of one file says. */
struct Header {
  std::vector<TensorRecord> tensors;  // `source` is 0
  Metadata metadata;
};

/** Docs: docs/files.md. Both fail with what, where, expected, found. */
Header read_gguf(const ByteSource& source);
Header read_safetensors(const ByteSource& source);

/** By its first bytes; fails with the name of what it is when it is something else. */
FileFormat recognise(const ByteSource& source);

/** Fails with the name of the method and what to do instead when config.json (or its like) says that the weights are
 *  stored quantized in a way that is not read. */
void refuse_quantized_config(std::string_view where, const json::value& config);
/** The same by the names of tensors, for files without a configuration. */
void refuse_quantized_tensor(std::string_view where, std::string_view tensor);

/** Fills shape and bytes of `record` (name and dtype are set). Fails on sizes below 1, more than four of them, products
 *  that overflow, and rows that are not whole blocks. */
void set_shape(std::string_view where, TensorRecord& record, std::span<const int64_t> row_major);

/** Fails when a tensor ends beyond the file or two of them share a byte. */
void check_places(const ByteSource& source, std::span<const TensorRecord> tensors);

/** model.safetensors.index.json: tensor name -> file name. */
std::map<std::string, std::string, std::less<>> read_index(std::string_view where, std::string_view text);

/** "a, b, c" (fmt::join of fmt 9 sets off a false warning of GCC 12 at -O3). */
template <class T>
std::string joined(const std::vector<T>& items) {
  std::string out;
  for (const T& item : items) out += fmt::format("{}{}", out.empty() ? "" : ", ", item);
  return out;
}

/** Checks split.* keys of all parts against one another. */
void check_splits(std::span<const std::unique_ptr<ByteSource>> sources, std::span<const Header> headers);

}  // namespace gemma
