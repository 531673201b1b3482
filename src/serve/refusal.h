// SPDX-License-Identifier: Apache-2.0
// Why a request is not served, free of the shape in which an API says so.
#pragma once

#include <string>
#include <utility>

#include "base/error.h"

namespace gemma::serve {

struct Refusal {
  int status = 400;
  Failure failure;      // which field, and why
  int retry_after = 0;  // seconds, with 429 and 503

  Refusal(int http_status, Failure what) : status(http_status), failure(std::move(what)) {}
  Refusal(Failure what) : failure(std::move(what)) {}
};

}  // namespace gemma::serve
