// SPDX-License-Identifier: Apache-2.0
// Preparing a media file in a process of its own: the program started anew, which confines itself (media/confine.h)
// before it looks at the file. Whatever a decoder does there, here it is arrays or one line.
//
//   Prepared picture = prepare_apart(File::open("bike.jpg"), options, {});
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/file.h"
#include "media/prepare.h"

namespace gemma::media {

/** A worker needs so much before it has looked at a file. */
inline constexpr int64_t kMinWorkerMemory = 16'000'000;
inline constexpr int64_t kMaxWorkerMemory = int64_t{1} << 60, kMaxWorkerSeconds = 1'000'000;

struct WorkerOptions {
  int64_t memory = 6'000'000'000;  // of address space, beside the file, and of what is written to each descriptor
  int64_t cpu_seconds = 600;
  /** What is started; the program itself where it is empty. Tests start one that misbehaves. */
  std::vector<std::string> command;
  /** Asked while the worker works: true ends it, and prepare_apart() fails with Interrupted. */
  std::function<bool()> interrupted;
};

/** Fails with the file's name and one line: what the worker says, or how it ended. It never outlives this process.
 *  Descriptors are all that the worker
 *  gets: request, answer, complaint and arrays are memory without a name, the file is open already. */
Prepared prepare_apart(const File& file, const PrepareOptions& options, const WorkerOptions& worker);

/** What a worker does, from start to end; `gemma4 media-worker` calls it. */
void serve_as_worker();

}  // namespace gemma::media
