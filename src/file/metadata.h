// SPDX-License-Identifier: Apache-2.0
// Metadata: the typed keys of a GGUF file. Values are widened when they are read (every integer is an int64_t), and the
// type they are stored as is kept beside them, so that a file written from what was read says the same thing.
//
//   Metadata keys;
//   keys.set("general.architecture", std::string("gemma4"));
//   keys.set("gemma4.block_count", int64_t{35});                          // stored as u32, as llama.cpp expects
//   keys.set("split.no", int64_t{0}, MetaType::u16);
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gemma {

/** A GGUF value. Integers of all widths are int64 (u64 beyond is refused), arrays are typed. */
using MetaValue = std::variant<bool, int64_t, double, std::string, std::vector<bool>, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string>>;

/** How a value, or each element of an array, is stored; the numbers are GGUF's. */
enum class MetaType : uint8_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};
inline constexpr int kMetaTypes = 13;
std::string_view name_of(MetaType type);  // "u32"

/** The keys in file order; empty for safetensors. */
class Metadata {
 public:
  struct Entry {
    std::string first;  // key
    MetaValue second;   // value
    MetaType type;      // of the value, or of an array's elements; never MetaType::array
  };

  /** `where` is the file's name, for messages. Fails on a duplicate key. */
  void add(std::string where, std::string key, MetaValue value, std::optional<MetaType> type = std::nullopt);
  /** Adds or replaces. Without a type: u32 for an integer, i32 for a list of them, f32 for numbers. */
  void set(std::string key, MetaValue value, std::optional<MetaType> type = std::nullopt);
  void erase(std::string_view key);

  const MetaValue* find(std::string_view key) const;
  const Entry* entry(std::string_view key) const;
  const std::vector<Entry>& entries() const { return entries_; }
  const std::string& where() const { return where_; }

  // nullopt when absent; fails (expected, found) when the type is another.
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;  // integers widen
  std::optional<std::string> string(std::string_view key) const;
  const std::vector<std::string>* strings(std::string_view key) const;       // nullptr when absent
  std::optional<std::vector<int64_t>> integers(std::string_view key) const;  // one number counts as a list of one
  std::optional<std::vector<bool>> booleans(std::string_view key) const;
  std::optional<std::vector<double>> numbers(std::string_view key) const;  // integers widen

 private:
  [[noreturn]] void fail_type(std::string_view key, std::string_view expected, const MetaValue& found) const;
  std::string where_;
  std::vector<Entry> entries_;
  std::map<std::string, size_t, std::less<>> index_;
};

}  // namespace gemma
