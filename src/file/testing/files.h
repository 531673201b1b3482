// SPDX-License-Identifier: Apache-2.0
// What the tests of files share: files written byte by byte, so that each can be wrong in one place, a folder that goes
// away, and the message of an error.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "file/model_file.h"

namespace gemma::testing {

/** The message of the Error that `body` fails with; "" and a failed test when it does not. */
template <class Body>
std::string error_of(Body&& body) {
  try {
    body();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << "one line: " << e.what();
    return e.what();
  }
  ADD_FAILURE() << "expected a gemma::Error";
  return "";
}

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

inline std::vector<std::byte> to_bytes(std::string_view text) {
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

inline ModelFile open_bytes(std::string_view bytes, std::string name = "m.gguf",
                            std::map<std::string, std::string, std::less<>> side_files = {}) {
  std::vector<std::unique_ptr<ByteSource>> sources;
  sources.push_back(memory_source(std::move(name), to_bytes(bytes)));
  return ModelFile::open(std::move(sources), std::move(side_files));
}

/** A GGUF file in pieces; every field may be set wrong. */
struct GgufBytes {
  struct Tensor {
    std::string name;
    std::vector<uint64_t> sizes;  // innermost first
    uint32_t type = 0;
    uint64_t offset = 0;
  };
  std::string magic = "GGUF";
  uint32_t version = 3;
  std::optional<uint64_t> tensor_count, key_count;
  std::vector<std::string> keys;  // whole entries, see key()
  std::vector<Tensor> tensors;
  int64_t alignment = 32;
  std::string data;

  static std::string text(std::string_view s) { return raw<uint64_t>(s.size()) + std::string(s); }
  /** `value` already as bytes. */
  static std::string key(std::string_view name, uint32_t type, const std::string& value) {
    return text(name) + raw(type) + value;
  }
  static std::string array(std::string_view name, uint32_t type, uint64_t count, const std::string& elements) {
    return key(name, 9, raw(type) + raw(count) + elements);
  }

  std::string str() const {
    std::string out = magic + raw(version) + raw<uint64_t>(tensor_count.value_or(tensors.size())) +
                      raw<uint64_t>(key_count.value_or(keys.size()));
    for (const std::string& k : keys) out += k;
    for (const Tensor& t : tensors) {
      out += text(t.name) + raw(static_cast<uint32_t>(t.sizes.size()));
      for (const uint64_t size : t.sizes) out += raw(size);
      out += raw(t.type) + raw(t.offset);
    }
    while (!tensors.empty() && static_cast<int64_t>(out.size()) % alignment != 0) out += '\0';
    return out + data;
  }

  ModelFile open() const { return open_bytes(str()); }
  std::string error() const {
    return error_of([this] { open(); });
  }
};

/** A safetensors file of a header's text. */
inline std::string safetensors_bytes(std::string_view header, std::string_view data) {
  return raw<uint64_t>(header.size()) + std::string(header) + std::string(data);
}

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gemma4-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) ADD_FAILURE() << "no temporary folder " << pattern;
    path_ = pattern;
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  std::string write(std::string_view name, std::string_view bytes) const {
    std::ofstream(*this / name, std::ios::binary) << bytes;
    return *this / name;
  }

 private:
  std::string path_;
};

}  // namespace gemma::testing
