// SPDX-License-Identifier: Apache-2.0
// The worker's side.
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "media/confine.h"
#include "media/worker.h"
#include "media/worker_wire.h"

namespace gemma::media {
namespace {

constexpr int64_t kAlignment = 64;
constexpr size_t kMaxRequest = 1 << 20;

std::string read_request() {
  std::string text(kMaxRequest, '\0');
  const ssize_t got = pread(STDIN_FILENO, text.data(), text.size(), 0);
  if (got <= 0) fail("media-worker", "is started by other commands, with a request and a file in hand");
  text.resize(static_cast<size_t>(got));
  return text;
}

void write_all(int descriptor, const void* data, int64_t n, int64_t offset, const std::string& name) {
  const auto* from = static_cast<const char*>(data);
  while (n > 0) {
    const ssize_t wrote = pwrite(descriptor, from, static_cast<size_t>(n), offset);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) fail(name, "no memory for its arrays: {}", std::strerror(errno));
    from += wrote;
    offset += wrote;
    n -= wrote;
  }
}

}  // namespace

void serve_as_worker() {
  const WorkerRequest request = request_from(read_request());
  confine({request.memory, request.cpu_seconds, kArraysDescriptor, request.parent});
  const std::unique_ptr<ByteSource> source = file_source(File::adopt(kFileDescriptor, request.name));
  const Prepared prepared = prepare(*source, request.options);
  WorkerAnswer answer{prepared.facts, {}};
  int64_t offset = 0;
  for (const Array& array : prepared.arrays) {
    const Tensor& values = array.values;
    write_all(kArraysDescriptor, values.raw().data(), values.bytes(), offset, request.name);
    answer.arrays.push_back({array.name, values.dtype(), values.shape(), offset, values.bytes()});
    offset += (values.bytes() + kAlignment - 1) / kAlignment * kAlignment;
  }
  const std::string text = write_json(to_json(answer));
  write_all(STDOUT_FILENO, text.data(), std::ssize(text), 0, request.name);
}

}  // namespace gemma::media
