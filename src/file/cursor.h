// SPDX-License-Identifier: Apache-2.0
// Cursor: reads a header front to back in large pieces, and believes no length before it is checked against the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "file/model_file.h"

namespace gemma {

class Cursor {
 public:
  explicit Cursor(const ByteSource& source) : source_(source) {}

  int64_t position() const { return base_ + at_; }
  int64_t remaining() const { return source_.size() - position(); }
  const std::string& name() const { return source_.name(); }

  /** The next n bytes, valid until the next call. Fails, saying for what, when the file ends before. */
  std::span<const std::byte> take(int64_t n, std::string_view what, std::string_view subject = {}) {
    if (n > static_cast<int64_t>(buffer_.size()) - at_) refill(n, what, subject);
    const std::span<const std::byte> bytes(buffer_.data() + at_, static_cast<size_t>(n));
    at_ += n;
    return bytes;
  }

  /** A little-endian number, as all of our hosts are. */
  template <class T>
    requires std::is_arithmetic_v<T>
  T number(std::string_view what, std::string_view subject = {}) {
    T value;
    std::memcpy(&value, take(sizeof(T), what, subject).data(), sizeof(T));
    return value;
  }

  /** A 64-bit length and so many bytes of UTF-8. */
  std::string string(int64_t limit, std::string_view what, std::string_view subject = {});

 private:
  void refill(int64_t n, std::string_view what, std::string_view subject);

  const ByteSource& source_;
  std::vector<std::byte> buffer_;
  int64_t base_ = 0;  // offset of buffer_[0] in the source
  int64_t at_ = 0;    // of the next byte in the buffer
};

}  // namespace gemma
