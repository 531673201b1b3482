// SPDX-License-Identifier: Apache-2.0
#include "convert/random_source.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace gemma {
namespace {

/** The bytes of a whole file: header, tensors, padding. */
class RandomSource final : public ByteSource {
 public:
  struct Part {
    int64_t offset, bytes;
    RandomPart content;
  };

  RandomSource(std::string name, std::vector<Part> parts, int64_t size)
      : name_(std::move(name)), parts_(std::move(parts)), size_(size) {}

  int64_t size() const override { return size_; }
  const std::string& name() const override { return name_; }

  void read(int64_t offset, std::span<std::byte> out) const override {
    const auto length = static_cast<int64_t>(out.size());
    if (offset < 0 || offset > size_ || length > size_ - offset) {
      fail(name_, "cannot read {} bytes at byte {}: file ends after {}", length, offset, size_);
    }
    const auto after = [](int64_t at, const Part& part) { return at < part.offset; };
    auto part = std::upper_bound(parts_.begin(), parts_.end(), offset, after);
    if (part != parts_.begin()) --part;
    int64_t at = offset;
    for (; part != parts_.end() && part->offset < offset + length; ++part) {
      const int64_t begin = std::max(offset, part->offset);
      const int64_t end = std::min(offset + length, part->offset + part->bytes);
      if (begin >= end) continue;
      clear(out, at - offset, begin - offset);
      read_part(*part, begin - part->offset,
                out.subspan(static_cast<size_t>(begin - offset), static_cast<size_t>(end - begin)));
      at = end;
    }
    clear(out, at - offset, length);
  }

 private:
  /** What lies between tensors is zero. */
  static void clear(std::span<std::byte> out, int64_t begin, int64_t end) {
    std::fill(out.begin() + begin, out.begin() + end, std::byte{0});
  }

  static void read_part(const Part& part, int64_t at, std::span<std::byte> out) {
    if (part.content.random) return part.content.random->read(at, out);
    std::memcpy(out.data(), part.content.given.data() + at, out.size());
  }

  std::string name_;
  std::vector<Part> parts_;  // by offset
  int64_t size_;
};

}  // namespace

std::unique_ptr<ByteSource> random_source(std::string name, const Metadata& keys, const std::vector<NewTensor>& tensors,
                                          std::vector<RandomPart> parts) {
  GEMMA_CHECK(parts.size() == tensors.size(), "a part for each tensor");
  GgufHeader header = gguf_header(name, keys, tensors);
  std::vector<RandomSource::Part> all;
  const auto header_bytes = std::ssize(header.bytes);
  all.push_back({0, header_bytes, {nullptr, std::move(header.bytes)}});
  for (size_t i = 0; i < tensors.size(); ++i) {
    all.push_back({header.offsets[i], bytes_of(tensors[i].dtype, tensors[i].shape.count()), std::move(parts[i])});
  }
  return std::make_unique<RandomSource>(std::move(name), std::move(all), header.file_bytes);
}

}  // namespace gemma
