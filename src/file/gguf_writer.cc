// SPDX-License-Identifier: Apache-2.0
#include "file/gguf_writer.h"

#include <cstring>
#include <set>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "file/gguf_types.h"

namespace gemma {
namespace {

constexpr uint32_t kVersion = 3;
constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr size_t kLongestTensorName = 63;  // llama.cpp keeps names in 64 bytes

int64_t aligned(int64_t n) { return (n + kGgufAlignment - 1) / kGgufAlignment * kGgufAlignment; }

class HeaderWriter {
 public:
  explicit HeaderWriter(const std::string& where) : where_(where) {}

  GgufHeader write(const Metadata& metadata, std::span<const NewTensor> tensors) {
    for (const char c : std::string_view("GGUF")) number(c);
    number(kVersion);
    number(static_cast<uint64_t>(tensors.size()));
    const bool aligned_otherwise = metadata.find(kAlignmentKey) != nullptr;  // keys read from another file
    number(static_cast<uint64_t>(metadata.entries().size() - (aligned_otherwise ? 1 : 0)));
    for (const Metadata::Entry& entry : metadata.entries()) {
      if (entry.first != kAlignmentKey) write_key(entry);
    }
    int64_t offset = 0;
    std::set<std::string_view> names;
    for (const NewTensor& tensor : tensors) {
      if (!names.insert(tensor.name).second) fail(where_, "tensor '{}' would be written twice", tensor.name);
      write_tensor(tensor, offset);
      header_.offsets.push_back(offset);
      offset += aligned(bytes_of(tensor.dtype, tensor.shape.count()));
    }
    header_.bytes.resize(static_cast<size_t>(aligned(static_cast<int64_t>(header_.bytes.size()))));
    const auto data = static_cast<int64_t>(header_.bytes.size());
    for (int64_t& o : header_.offsets) o += data;
    header_.file_bytes = data + offset;
    return std::move(header_);
  }

 private:
  template <class T>
  void number(T value) {
    const size_t at = header_.bytes.size();
    header_.bytes.resize(at + sizeof(T));
    std::memcpy(header_.bytes.data() + at, &value, sizeof(T));
  }

  void string(std::string_view text) {
    number(static_cast<uint64_t>(text.size()));
    const auto bytes = std::as_bytes(std::span(text));
    header_.bytes.insert(header_.bytes.end(), bytes.begin(), bytes.end());
  }

  template <class T>
  void integer(std::string_view key, int64_t value) {
    if (!std::in_range<T>(value)) {
      fail(where_, "key '{}': {} does not fit {} bytes ({})", key, value, sizeof(T),
           std::is_signed_v<T> ? "signed" : "unsigned");
    }
    number(static_cast<T>(value));
  }

  void scalar(const Metadata::Entry& entry, int64_t value) {
    switch (entry.type) {
      case MetaType::u8:
        return integer<uint8_t>(entry.first, value);
      case MetaType::i8:
        return integer<int8_t>(entry.first, value);
      case MetaType::u16:
        return integer<uint16_t>(entry.first, value);
      case MetaType::i16:
        return integer<int16_t>(entry.first, value);
      case MetaType::u32:
        return integer<uint32_t>(entry.first, value);
      case MetaType::i32:
        return integer<int32_t>(entry.first, value);
      case MetaType::u64:
        return integer<uint64_t>(entry.first, value);
      case MetaType::i64:
        return number(value);
      default:
        fail_type(entry);
    }
  }

  void scalar(const Metadata::Entry& entry, double value) {
    if (entry.type == MetaType::f32) return number(static_cast<float>(value));
    if (entry.type == MetaType::f64) return number(value);
    fail_type(entry);
  }

  void scalar(const Metadata::Entry& entry, bool value) {
    if (entry.type != MetaType::boolean) fail_type(entry);
    number(static_cast<uint8_t>(value));
  }

  void scalar(const Metadata::Entry& entry, const std::string& value) {
    if (entry.type != MetaType::string) fail_type(entry);
    if (!utf8::valid(value)) fail(where_, "key '{}': the text is not valid UTF-8", entry.first);
    string(value);
  }

  [[noreturn]] void fail_type(const Metadata::Entry& entry) const {
    fail(where_, "key '{}': its value cannot be stored as {}", entry.first, name_of(entry.type));
  }

  template <class T>
  void value(const Metadata::Entry& entry, const T& one) {
    number(static_cast<uint32_t>(entry.type));
    scalar(entry, one);
  }

  template <class T>
  void value(const Metadata::Entry& entry, const std::vector<T>& list) {
    number(static_cast<uint32_t>(MetaType::array));
    number(static_cast<uint32_t>(entry.type));
    number(static_cast<uint64_t>(list.size()));
    for (const auto& element : list) scalar(entry, static_cast<const T&>(element));
  }

  void write_key(const Metadata::Entry& entry) {
    string(entry.first);
    std::visit([&](const auto& v) { value(entry, v); }, entry.second);
  }

  void write_tensor(const NewTensor& tensor, int64_t offset) {
    if (tensor.name.empty() || tensor.name.size() > kLongestTensorName) {
      fail(where_, "tensor '{}': a name in GGUF has 1 to {} bytes, found {}", tensor.name, kLongestTensorName,
           tensor.name.size());
    }
    const std::optional<uint32_t> type = gguf_number(tensor.dtype);
    if (!type) fail(where_, "tensor '{}': GGUF has no type {}", tensor.name, info(tensor.dtype).name);
    if (tensor.shape.count() < 1 || tensor.shape.cols() % info(tensor.dtype).block != 0) {
      fail(where_, "tensor '{}': shape {} cannot be stored as {}: rows are whole blocks of {}", tensor.name,
           tensor.shape.str(), info(tensor.dtype).name, info(tensor.dtype).block);
    }
    string(tensor.name);
    number(static_cast<uint32_t>(tensor.shape.rank));
    for (int i = tensor.shape.rank - 1; i >= 0; --i) number(static_cast<uint64_t>(tensor.shape[i]));
    number(*type);
    number(static_cast<uint64_t>(offset));
  }

  const std::string& where_;
  GgufHeader header_;
};

}  // namespace

GgufHeader gguf_header(const std::string& where, const Metadata& metadata, std::span<const NewTensor> tensors) {
  return HeaderWriter(where).write(metadata, tensors);
}

GgufWriter::GgufWriter(const std::string& path, const Metadata& metadata, std::vector<NewTensor> tensors)
    : path_(path),
      tensors_(std::move(tensors)),
      header_(gguf_header(path, metadata, tensors_)),
      file_(path),
      written_(std::make_unique<std::atomic<int64_t>[]>(tensors_.size())) {
  file_.reserve(header_.file_bytes);
  file_.write_at(0, header_.bytes);
}

void GgufWriter::write(size_t tensor, int64_t at, std::span<const std::byte> bytes) {
  const int64_t whole = bytes_of(tensors_[tensor].dtype, tensors_[tensor].shape.count());
  const auto n = static_cast<int64_t>(bytes.size());
  GEMMA_CHECK(at >= 0 && n <= whole && at <= whole - n, "bytes inside their tensor");
  file_.write_at(header_.offsets[tensor] + at, bytes);
  written_[tensor].fetch_add(n, std::memory_order_relaxed);
}

void GgufWriter::finish() {
  const std::vector<std::byte> zeros(static_cast<size_t>(kGgufAlignment));
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const int64_t whole = bytes_of(tensors_[i].dtype, tensors_[i].shape.count());
    const int64_t found = written_[i].load(std::memory_order_relaxed);
    if (found != whole) fail(path_, "tensor '{}': {} of {} bytes were written", tensors_[i].name, found, whole);
    const auto padding = static_cast<size_t>(aligned(whole) - whole);
    file_.write_at(header_.offsets[i] + whole, std::span(zeros).first(padding));
  }
  file_.commit();
}

}  // namespace gemma
