// SPDX-License-Identifier: Apache-2.0
// A file as memory: its pages are read when they are touched, and the system takes them back when it wants them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/file.h"

namespace gemma {

/** The whole of a file, to be read. A page that is gone, because the file was cut or the disk gives it no more, would
 *  end the process by a signal: instead it and all behind it read as zeros from then on, and broken() says so. Whoever
 *  used the bytes asks afterwards. */
class Mapping {
 public:
  explicit Mapping(const File& file);
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  std::span<const std::byte> bytes() const { return {data_, static_cast<size_t>(size_)}; }
  bool broken() const;

 private:
  const std::byte* data_ = nullptr;
  int64_t size_ = 0;
  size_t slot_ = 0;  // where the handler of the signal finds it
};

}  // namespace gemma
