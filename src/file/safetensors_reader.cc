// SPDX-License-Identifier: Apache-2.0
// safetensors:
//
//   u64 bytes of the header
//   header: {"name": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [begin, end]}, ..., "__metadata__": {...}}
//   data: data_offsets count from its start
#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "base/error.h"
#include "base/utf8.h"
#include "file/cursor.h"
#include "file/readers.h"

namespace gemma {
namespace {

constexpr int64_t kLongestHeader = 100'000'000;  // the limit of the reference library
constexpr int kHeaderDepth = 32;                 // three levels are used

constexpr std::array<std::pair<std::string_view, DType>, 6> kTypes{{
    {"F32", DType::f32},
    {"F16", DType::f16},
    {"BF16", DType::bf16},
    {"I32", DType::i32},
    {"I64", DType::i64},
    {"U8", DType::u8},
}};

DType dtype_of(std::string_view where, std::string_view tensor, std::string_view name) {
  for (const auto& [known, dtype] : kTypes) {
    if (known == name) return dtype;
  }
  if (name.starts_with("F8_")) {
    fail(where, "tensor '{}': FP8 weights ({}) are not supported: take the BF16 checkpoint", tensor, name);
  }
  if (name == "F4" || name.starts_with("F4_") || name.starts_with("F6_")) {
    fail(where, "tensor '{}': {} weights (MXFP4, NVFP4 and their like) are not supported: take the BF16 checkpoint",
         tensor, name);
  }
  fail(where, "tensor '{}': type {} is not supported: expected F32, F16, BF16, I32, I64 or U8", tensor, name);
}

/** Fails when a key of the outermost object of `text` (valid JSON, `keys` different ones) is there twice. The parser
 *  keeps one of equal keys without a word, and another program may keep the other: it would see another model. */
void refuse_duplicate_keys(std::string_view where, std::string_view text, size_t keys) {
  std::set<std::string_view> seen;  // as they are spelled
  int depth = 0;
  std::string_view last;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (c == ':' && depth == 1 && !seen.insert(last).second) fail(where, "header: tensor '{}' occurs twice", last);
    if (c != '"') continue;
    const size_t begin = ++i;
    while (text[i] != '"') i += text[i] == '\\' ? 2 : 1;
    last = text.substr(begin, i - begin);
  }
  if (seen.size() != keys) fail(where, "header: a tensor occurs twice");  // once spelled with escapes
}

class Reader {
 public:
  explicit Reader(const ByteSource& source) : source_(source), where_(source.name()) {}

  Header read() {
    const std::string text = header_text();
    const json::value header = parse_json_or_fail(where_ + ": header", text, kHeaderDepth);
    const json::object* entries = header.if_object();
    if (entries == nullptr) fail(where_, "header: expected a JSON object of tensors");
    refuse_duplicate_keys(where_, text, entries->size());
    // Before the types: "GPTQ" says more than "type I32".
    for (const auto& [name, entry] : *entries) refuse_quantized_tensor(where_, name);
    header_.tensors.reserve(entries->size());
    for (const auto& [name, entry] : *entries) {
      if (name == "__metadata__") continue;
      read_tensor(name, entry);
    }
    std::sort(header_.tensors.begin(), header_.tensors.end(), [](const TensorRecord& a, const TensorRecord& b) {
      return std::tie(a.offset, a.name) < std::tie(b.offset, b.name);
    });
    check_places(source_, header_.tensors);
    return std::move(header_);
  }

 private:
  std::string header_text() {
    Cursor cursor(source_);
    const auto length = cursor.number<uint64_t>("the length of the header");
    if (length > static_cast<uint64_t>(cursor.remaining())) {
      fail(where_, "header at byte 8: needs {} bytes, file ends after {} (truncated download, or not safetensors?)",
           length, source_.size());
    }
    if (length > static_cast<uint64_t>(kLongestHeader)) {
      fail(where_, "header at byte 8: expected at most {} bytes, found {}", kLongestHeader, length);
    }
    data_ = 8 + static_cast<int64_t>(length);
    std::string text(static_cast<size_t>(length), '\0');
    source_.read(8, std::as_writable_bytes(std::span(text)));
    const size_t bad = utf8::first_invalid(text);
    if (bad != text.size()) {
      fail(where_, "header at byte {}: not valid UTF-8 (byte {:#04x})", 8 + bad, static_cast<unsigned char>(text[bad]));
    }
    return text;
  }

  void read_tensor(std::string_view name, const json::value& entry) {
    TensorRecord record;
    record.name = name;
    const json::object* fields = entry.if_object();
    if (fields == nullptr) fail(where_, "tensor '{}': expected an object with dtype, shape and data_offsets", name);
    const json::value* dtype = fields->if_contains("dtype");
    if (dtype == nullptr || !dtype->is_string()) fail(where_, "tensor '{}': expected a string 'dtype'", name);
    record.dtype = dtype_of(where_, name, dtype->get_string());
    set_shape(where_, record, integers(name, *fields, "shape"));
    const std::vector<int64_t> range = integers(name, *fields, "data_offsets");
    if (range.size() != 2 || range[1] < range[0]) {
      fail(where_, "tensor '{}': expected data_offsets [begin, end], found [{}]", name, joined(range));
    }
    if (range[1] - range[0] != record.bytes) {
      fail(where_, "tensor '{}': {} {} needs {} bytes, data_offsets [{}] hold {}", name,
           std::string_view(dtype->get_string()), record.shape.str(), record.bytes, joined(range), range[1] - range[0]);
    }
    if (range[0] > source_.size()) {  // before the sum below could overflow
      fail(where_, "tensor '{}' at byte {} of the data: needs {} bytes, file ends after {} (truncated download?)", name,
           range[0], record.bytes, source_.size());
    }
    record.offset = data_ + range[0];
    header_.tensors.push_back(std::move(record));
  }

  std::vector<int64_t> integers(std::string_view tensor, const json::object& fields, std::string_view key) const {
    const json::value* value = fields.if_contains(key);
    if (value == nullptr || !value->is_array()) fail(where_, "tensor '{}': expected a list '{}'", tensor, key);
    std::vector<int64_t> numbers;
    for (const json::value& v : value->get_array()) {
      if (!v.is_int64() || v.get_int64() < 0) {
        fail(where_, "tensor '{}': expected whole numbers from 0 to 2^63 in '{}', found {}", tensor, key,
             write_json(v).substr(0, 40));
      }
      numbers.push_back(v.get_int64());
    }
    return numbers;
  }

  const ByteSource& source_;
  std::string where_;
  Header header_;
  int64_t data_ = 0;
};

}  // namespace

Header read_safetensors(const ByteSource& source) { return Reader(source).read(); }

std::map<std::string, std::string, std::less<>> read_index(std::string_view where, std::string_view text) {
  const json::value index = parse_json_or_fail(where, text, kHeaderDepth);
  const json::object* object = index.if_object();
  const json::value* map = object == nullptr ? nullptr : object->if_contains("weight_map");
  if (map == nullptr || !map->is_object()) fail(where, "expected an object 'weight_map' of tensor names and files");
  std::map<std::string, std::string, std::less<>> files;
  for (const auto& [tensor, file] : map->get_object()) {
    if (!file.is_string())
      fail(where, "weight_map: tensor '{}': expected the name of a file", std::string_view(tensor));
    const std::string_view name = file.get_string();
    if (name.empty() || name.find('/') != std::string_view::npos || name.starts_with('.')) {
      fail(where, "weight_map: tensor '{}': expected the name of a file in the same folder, found '{}'",
           std::string_view(tensor), name);
    }
    files.emplace(tensor, name);
  }
  if (files.empty()) fail(where, "weight_map names no tensor");
  return files;
}

}  // namespace gemma
