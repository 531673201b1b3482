// SPDX-License-Identifier: Apache-2.0
// What the log says of one request: names and values that gather on its way, and the line that they come to.
//
//   LogEntry entry({{"id", id}, {"method", "POST"}, {"path", "/v1/messages"}}, false);
//   entry.set("grammar_seconds", 0.02);              // any thread
//   log(text_line(entry.take()));                    // id=... POST /v1/messages grammar_seconds=0.020
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"

namespace gemma::serve {

class LogEntry {
 public:
  /** content: whether the operator has asked for what was said. */
  LogEntry(json::object begin, bool content) : content_(content), values_(std::move(begin)) {}

  bool wants_content() const { return content_; }
  void set(std::string_view name, json::value value) {
    const std::lock_guard lock(mutex_);
    values_[name] = std::move(value);
  }
  json::object take() {
    const std::lock_guard lock(mutex_);
    return std::move(values_);
  }

 private:
  const bool content_;
  std::mutex mutex_;
  json::object values_;
};

/** One line: NAME=VALUE each, of "method" and "path" the value alone, texts with blanks in them as JSON has them. */
std::string text_line(const json::object& values);

}  // namespace gemma::serve
