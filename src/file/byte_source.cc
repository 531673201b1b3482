// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "file/model_file.h"

namespace gemma {
namespace {

class FileSource final : public ByteSource {
 public:
  explicit FileSource(const std::string& path) : file_(File::open(path)) {}
  int64_t size() const override { return file_.size(); }
  const std::string& name() const override { return file_.path(); }
  void read(int64_t offset, std::span<std::byte> out) const override { file_.read(offset, out); }

 private:
  File file_;
};

class MemorySource final : public ByteSource {
 public:
  MemorySource(std::string name, std::vector<std::byte> bytes) : name_(std::move(name)), bytes_(std::move(bytes)) {}
  int64_t size() const override { return static_cast<int64_t>(bytes_.size()); }
  const std::string& name() const override { return name_; }
  void read(int64_t offset, std::span<std::byte> out) const override {
    if (offset < 0 || offset > size() || static_cast<int64_t>(out.size()) > size() - offset) {
      fail(name_, "cannot read {} bytes at byte {}: file ends after {}", out.size(), offset, size());
    }
    if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
  }

 private:
  std::string name_;
  std::vector<std::byte> bytes_;
};

}  // namespace

std::unique_ptr<ByteSource> file_source(const std::string& path) { return std::make_unique<FileSource>(path); }

std::unique_ptr<ByteSource> memory_source(std::string name, std::vector<std::byte> bytes) {
  return std::make_unique<MemorySource>(std::move(name), std::move(bytes));
}

}  // namespace gemma
