// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/mapping.h"
#include "file/model_file.h"

namespace gemma {
namespace {

class MappedStorage final : public Storage {
 public:
  explicit MappedStorage(const File& file) : mapping_(file) {}
  std::byte* host() override { return const_cast<std::byte*>(mapping_.bytes().data()); }  // of weights: only read
  int64_t bytes() const override { return std::ssize(mapping_.bytes()); }
  bool broken() const { return mapping_.broken(); }

 private:
  Mapping mapping_;
};

class FileSource final : public ByteSource {
 public:
  explicit FileSource(File file) : file_(std::move(file)) {}
  int64_t size() const override { return file_.size(); }
  const std::string& name() const override { return file_.path(); }
  void read(int64_t offset, std::span<std::byte> out) const override { file_.read(offset, out); }
  void will_read(int64_t offset, int64_t bytes) const override { file_.will_read(offset, bytes); }
  std::shared_ptr<Storage> map() const override {
    if (mapped_ == nullptr) mapped_ = std::make_shared<MappedStorage>(file_);
    return mapped_;
  }
  void check() const override {
    file_.check_unchanged();
    if (mapped_ != nullptr && mapped_->broken()) fail(name(), "a part of the file cannot be read any more");
  }

 private:
  File file_;
  mutable std::shared_ptr<MappedStorage> mapped_;  // made when it is asked for first, by the thread that loads
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

std::unique_ptr<ByteSource> file_source(const std::string& path) { return file_source(File::open(path)); }

std::unique_ptr<ByteSource> file_source(File file) { return std::make_unique<FileSource>(std::move(file)); }

std::unique_ptr<ByteSource> memory_source(std::string name, std::vector<std::byte> bytes) {
  return std::make_unique<MemorySource>(std::move(name), std::move(bytes));
}

}  // namespace gemma
