// SPDX-License-Identifier: Apache-2.0
#include "file/cursor.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"

namespace gemma {
namespace {

constexpr int64_t kPiece = int64_t{1} << 20;

std::string described(std::string_view what, std::string_view subject) {
  return subject.empty() ? std::string(what) : fmt::format("{} of '{}'", what, subject);
}

}  // namespace

void Cursor::refill(int64_t n, std::string_view what, std::string_view subject) {
  if (n > remaining()) {
    fail(name(), "header at byte {}: needs {} bytes for {}, file ends after {} (truncated download?)", position(), n,
         described(what, subject), source_.size());
  }
  base_ += at_;
  at_ = 0;
  buffer_.resize(static_cast<size_t>(std::min(std::max(n, kPiece), remaining())));
  source_.read(base_, buffer_);
}

std::string Cursor::string(int64_t limit, std::string_view what, std::string_view subject) {
  const int64_t start = position();
  const auto length = number<uint64_t>(what, subject);
  if (length > static_cast<uint64_t>(limit)) {
    fail(name(), "header at byte {}: {} has {} bytes, expected at most {} (damaged file?)", start,
         described(what, subject), length, limit);
  }
  const auto bytes = take(static_cast<int64_t>(length), what, subject);
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const size_t bad = utf8::first_invalid(text);
  if (bad != text.size()) {
    fail(name(), "header at byte {}: {} is not valid UTF-8 (byte {:#04x})",
         position() - static_cast<int64_t>(length) + static_cast<int64_t>(bad), described(what, subject),
         static_cast<unsigned char>(text[bad]));
  }
  return text;
}

}  // namespace gemma
