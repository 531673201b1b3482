// SPDX-License-Identifier: Apache-2.0
// GGUF, versions 2 and 3:
//
//   "GGUF"  u32 version  u64 tensors  u64 keys
//   keys:     string name, u32 type, value        string: u64 bytes, then UTF-8
//                                                 array: u32 type of the elements, u64 count, elements
//   tensors:  string name, u32 rank, u64 sizes (innermost first), u32 type, u64 offset in the data section
//   padding to general.alignment (32), then the data section
#include <algorithm>
#include <limits>

#include "base/error.h"
#include "file/cursor.h"
#include "file/gguf_types.h"
#include "file/readers.h"

namespace gemma {
namespace {

// Far above what any model has, far below what would exhaust memory: a damaged count is refused, not allocated.
constexpr int64_t kLongestName = 65535;  // of keys; the format's own limit
constexpr int64_t kLongestTensorName = 1024;
constexpr int64_t kLongestString = int64_t{1} << 28;  // tokenizer.huggingface.json holds a whole tokenizer.json
constexpr int64_t kLongestArray = int64_t{1} << 24;   // the vocabulary has 262144
constexpr int64_t kLargestAlignment = int64_t{1} << 20;

// The least a key or a tensor takes: so many of them can fit into what is left of the file, at most.
constexpr int64_t kLeastKey = 8 + 4 + 1;
constexpr int64_t kLeastTensor = 8 + 4 + 4 + 8;

class Reader {
 public:
  explicit Reader(const ByteSource& source) : source_(source), cursor_(source) {}

  Header read() {
    read_version();
    const int64_t tensors = count("tensors", kLeastTensor);
    const int64_t keys = count("keys", kLeastKey);
    for (int64_t i = 0; i < keys; ++i) read_key();
    read_alignment();
    header_.tensors.reserve(static_cast<size_t>(tensors));
    for (int64_t i = 0; i < tensors; ++i) read_tensor();
    place_tensors();
    return std::move(header_);
  }

 private:
  const std::string& where() const { return source_.name(); }

  void read_version() {
    cursor_.take(4, "the magic 'GGUF'");
    const auto version = cursor_.number<uint32_t>("the version");
    if (version == 2 || version == 3) return;
    if (version == 1) {
      fail(where(),
           "GGUF version 1 is not supported: expected 2 or 3; convert the model anew with a current converter");
    }
    if (version != 0 && (version & 0xffffff) == 0) {
      fail(where(),
           "big-endian GGUF is not supported: expected version 2 or 3, found {} (bytes reversed); take the "
           "little-endian file",
           version >> 24);
    }
    fail(where(), "unknown GGUF version {}: expected 2 or 3 (damaged file, or newer than this program?)", version);
  }

  // At least `least` bytes of the file belong to each: a count beyond that is not believed.
  int64_t count(std::string_view what, int64_t least) {
    const int64_t at = cursor_.position();
    const auto n = cursor_.number<uint64_t>(what);
    const int64_t most = cursor_.remaining() / least;
    if (n > static_cast<uint64_t>(most)) {
      fail(where(),
           "header at byte {}: {} {}, but the file of {} bytes has room for at most {} (truncated download or "
           "damaged file?)",
           at, n, what, source_.size(), most);
    }
    return static_cast<int64_t>(n);
  }

  void read_key() {
    const int64_t at = cursor_.position();
    const std::string key = cursor_.string(kLongestName, "the name of a key");
    if (key.empty()) fail(where(), "header at byte {}: a key has an empty name", at);
    MetaType type = read_type(key, "the type");
    MetaValue value;
    if (type == MetaType::array) {
      type = read_type(key, "the type of the elements");
      if (type == MetaType::array) fail(where(), "key '{}': lists of lists are not supported", key);
      value = read_array(key, type);
    } else {
      value = read_value(key, type);
    }
    header_.metadata.add(where(), key, std::move(value), type);
  }

  MetaType read_type(std::string_view key, std::string_view what) {
    const int64_t at = cursor_.position();
    const auto type = cursor_.number<uint32_t>(what, key);
    if (type >= kMetaTypes) {
      fail(where(), "key '{}' at byte {}: {} is {}, expected 0 to {} (damaged file?)", key, at, what, type,
           kMetaTypes - 1);
    }
    return static_cast<MetaType>(type);
  }

  template <class T>
  int64_t integer(std::string_view key) {
    return static_cast<int64_t>(cursor_.number<T>("the value", key));
  }

  int64_t unsigned_64(std::string_view key) {
    const auto value = cursor_.number<uint64_t>("the value", key);
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      fail(where(), "key '{}': {} is beyond the largest number supported, {}", key, value,
           std::numeric_limits<int64_t>::max());
    }
    return static_cast<int64_t>(value);
  }

  bool boolean(std::string_view key) {
    const auto value = cursor_.number<uint8_t>("the value", key);
    if (value > 1) fail(where(), "key '{}': expected true (1) or false (0), found {}", key, value);
    return value == 1;
  }

  int64_t read_integer(std::string_view key, MetaType type) {
    switch (type) {
      case MetaType::u8:
        return integer<uint8_t>(key);
      case MetaType::i8:
        return integer<int8_t>(key);
      case MetaType::u16:
        return integer<uint16_t>(key);
      case MetaType::i16:
        return integer<int16_t>(key);
      case MetaType::u32:
        return integer<uint32_t>(key);
      case MetaType::i32:
        return integer<int32_t>(key);
      case MetaType::u64:
        return unsigned_64(key);
      default:
        return integer<int64_t>(key);
    }
  }

  double read_number(std::string_view key, MetaType type) {
    return type == MetaType::f32 ? static_cast<double>(cursor_.number<float>("the value", key))
                                 : cursor_.number<double>("the value", key);
  }

  MetaValue read_value(std::string_view key, MetaType type) {
    switch (type) {
      case MetaType::boolean:
        return boolean(key);
      case MetaType::string:
        return cursor_.string(kLongestString, "the value", key);
      case MetaType::f32:
      case MetaType::f64:
        return read_number(key, type);
      default:
        return read_integer(key, type);
    }
  }

  MetaValue read_array(std::string_view key, MetaType type) {
    const int64_t n = array_length(key, type);
    switch (type) {
      case MetaType::boolean:
        return list<bool>(n, [&] { return boolean(key); });
      case MetaType::string:
        return list<std::string>(n, [&] { return cursor_.string(kLongestString, "an element", key); });
      case MetaType::f32:
      case MetaType::f64:
        return list<double>(n, [&] { return read_number(key, type); });
      default:
        return list<int64_t>(n, [&] { return read_integer(key, type); });
    }
  }

  int64_t array_length(std::string_view key, MetaType type) {
    static constexpr int kLeast[kMetaTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};
    const int64_t at = cursor_.position();
    const auto n = cursor_.number<uint64_t>("the length", key);
    const int64_t most = std::min(cursor_.remaining() / kLeast[static_cast<size_t>(type)], kLongestArray);
    if (n > static_cast<uint64_t>(most)) {
      fail(where(),
           "key '{}' at byte {}: a list of {} elements, expected at most {} (truncated download or damaged "
           "file?)",
           key, at, n, most);
    }
    return static_cast<int64_t>(n);
  }

  template <class T, class Read>
  static std::vector<T> list(int64_t n, Read read) {
    std::vector<T> values;
    values.reserve(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) values.push_back(read());
    return values;
  }

  void read_alignment() {
    alignment_ = header_.metadata.integer("general.alignment").value_or(32);
    if (alignment_ < 1 || alignment_ > kLargestAlignment || (alignment_ & (alignment_ - 1)) != 0) {
      fail(where(), "key 'general.alignment': expected a power of two up to {}, found {}", kLargestAlignment,
           alignment_);
    }
  }

  void read_tensor() {
    TensorRecord record;
    record.name = cursor_.string(kLongestTensorName, "the name of a tensor");
    const auto rank = cursor_.number<uint32_t>("the rank", record.name);
    if (rank > 4) fail(where(), "tensor '{}': expected at most 4 sizes, found {}", record.name, rank);
    std::vector<int64_t> sizes(rank);
    for (int64_t& size : sizes) size = cursor_.number<int64_t>("a size", record.name);
    std::reverse(sizes.begin(), sizes.end());
    const auto type = cursor_.number<uint32_t>("the type", record.name);
    const std::optional<DType> dtype = gguf_dtype(type);
    if (!dtype) fail(where(), "tensor '{}': {}", record.name, gguf_refusal(type));
    record.dtype = *dtype;
    set_shape(where(), record, sizes);
    record.offset = cursor_.number<int64_t>("the offset", record.name);
    if (record.offset < 0 || record.offset % alignment_ != 0) {
      fail(where(), "tensor '{}': offset {} in the data section is not a multiple of the alignment {}", record.name,
           static_cast<uint64_t>(record.offset), alignment_);
    }
    header_.tensors.push_back(std::move(record));
  }

  void place_tensors() {
    const int64_t data = (cursor_.position() + alignment_ - 1) / alignment_ * alignment_;
    for (TensorRecord& record : header_.tensors) {
      if (record.offset > source_.size()) {
        fail(where(),
             "tensor '{}' at byte {} of the data section: needs {} bytes, file ends after {} (truncated "
             "download?)",
             record.name, record.offset, record.bytes, source_.size());
      }
      record.offset += data;
    }
    check_places(source_, header_.tensors);
  }

  const ByteSource& source_;
  Cursor cursor_;
  Header header_;
  int64_t alignment_ = 32;
};

}  // namespace

Header read_gguf(const ByteSource& source) { return Reader(source).read(); }

void check_splits(std::span<const std::unique_ptr<ByteSource>> sources, std::span<const Header> headers) {
  const auto integer = [&](size_t part, const char* key) { return headers[part].metadata.integer(key); };
  const auto parts = static_cast<int64_t>(headers.size());
  int64_t tensors = 0;
  for (size_t i = 0; i < headers.size(); ++i) {
    const std::string& where = sources[i]->name();
    const int64_t count = integer(i, "split.count").value_or(1);
    if (count != parts && !(count == 0 && parts == 1)) {
      fail(where,
           "key 'split.count': the model has {} parts, found {}; put all parts into one folder and open the "
           "first",
           count, parts);
    }
    const int64_t number = integer(i, "split.no").value_or(0);
    if (number != static_cast<int64_t>(i)) {
      fail(where, "key 'split.no': expected part {} (counted from 0), found {}", i, number);
    }
    if (integer(i, "split.tensors.count") != integer(0, "split.tensors.count")) {
      fail(where, "key 'split.tensors.count': the parts disagree (expected {}, found {}): they are of different models",
           integer(0, "split.tensors.count").value_or(0), integer(i, "split.tensors.count").value_or(0));
    }
    const auto architecture = headers[i].metadata.string("general.architecture");
    if (architecture && architecture != headers[0].metadata.string("general.architecture")) {
      fail(where, "key 'general.architecture': the parts disagree (first part: '{}', this one: '{}')",
           headers[0].metadata.string("general.architecture").value_or(""), *architecture);
    }
    tensors += static_cast<int64_t>(headers[i].tensors.size());
  }
  const auto expected = headers.empty() ? std::nullopt : integer(0, "split.tensors.count");
  if (expected && *expected != tensors) {
    fail(sources[0]->name(), "key 'split.tensors.count': expected {} tensors in all parts, found {}", *expected,
         tensors);
  }
}

}  // namespace gemma
