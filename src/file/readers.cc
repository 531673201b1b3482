// SPDX-License-Identifier: Apache-2.0
#include "file/readers.h"

#include <algorithm>

#include "base/error.h"

namespace gemma {

void set_shape(std::string_view where, TensorRecord& record, std::span<const int64_t> row_major) {
  if (row_major.size() > 4) {
    fail(where, "tensor '{}': expected at most 4 sizes, found {}", record.name, row_major.size());
  }
  const Shape shape(row_major);
  int64_t count = 1;
  for (const int64_t size : row_major) {
    if (size < 1) fail(where, "tensor '{}': expected sizes of at least 1, found {}", record.name, size);
    if (__builtin_mul_overflow(count, size, &count)) {
      fail(where, "tensor '{}': the product of its sizes {} overflows (damaged file?)", record.name, shape.str());
    }
  }
  const DTypeInfo& type = info(record.dtype);
  const int64_t cols = row_major.empty() ? 1 : row_major.back();
  if (cols % type.block != 0) {
    fail(where, "tensor '{}': rows of {} values are not whole blocks of {} ({})", record.name, cols, type.block,
         type.name);
  }
  if (__builtin_mul_overflow(count / type.block, int64_t{type.bytes}, &record.bytes)) {
    fail(where, "tensor '{}': the bytes of {} as {} overflow (damaged file?)", record.name, shape.str(), type.name);
  }
  record.shape = shape;
}

void check_places(const ByteSource& source, std::span<const TensorRecord> tensors) {
  std::vector<const TensorRecord*> by_offset;
  by_offset.reserve(tensors.size());
  for (const TensorRecord& t : tensors) {
    if (t.offset > source.size() || t.bytes > source.size() - t.offset) {
      fail(source.name(), "tensor '{}' at byte {}: needs {} bytes, file ends after {} (truncated download?)", t.name,
           t.offset, t.bytes, source.size());
    }
    by_offset.push_back(&t);
  }
  std::sort(by_offset.begin(), by_offset.end(),
            [](const TensorRecord* a, const TensorRecord* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < by_offset.size(); ++i) {
    const TensorRecord& a = *by_offset[i - 1];
    const TensorRecord& b = *by_offset[i];
    if (b.offset < a.offset + a.bytes) {
      fail(source.name(), "tensors '{}' (bytes {} to {}) and '{}' (from byte {}) overlap (damaged file?)", a.name,
           a.offset, a.offset + a.bytes, b.name, b.offset);
    }
  }
}

}  // namespace gemma
