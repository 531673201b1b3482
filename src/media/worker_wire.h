// SPDX-License-Identifier: Apache-2.0
// What goes between the program and its media worker. Descriptors of the worker: 0 the request, 1 the answer, 2 a
// complaint, 3 the file, 4 the arrays.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "media/prepare.h"

namespace gemma::media {

inline constexpr int kFileDescriptor = 3, kArraysDescriptor = 4;

struct WorkerRequest {
  std::string name;  // of the file, for messages
  int64_t memory = 0, cpu_seconds = 0;
  int64_t parent = 0;  // the process that waits for the answer
  PrepareOptions options;
};
json::object to_json(const WorkerRequest& request);
WorkerRequest request_from(std::string_view text);

/** An array and its place in the shared memory. */
struct WorkerArray {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  int64_t offset = 0, bytes = 0;
};
struct WorkerAnswer {
  json::object facts;
  std::vector<WorkerArray> arrays;
};
json::object to_json(const WorkerAnswer& answer);
/** The answer is not to be trusted: a worker that was taken over may have written it. `available` bytes are there;
 * arrays lie in them one behind the other, so that together they are not more. */
Result<WorkerAnswer> answer_from(std::string_view text, int64_t available);

}  // namespace gemma::media
