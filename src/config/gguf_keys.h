// SPDX-License-Identifier: Apache-2.0
// Typed, checked reading of GGUF keys, as keys.h for JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "file/model_file.h"

namespace gemma {

/** Keys of the form "ARCH.name", checked. */
class GgufKeys {
 public:
  GgufKeys(const ModelFile& file, std::string_view arch)
      : file_(file), metadata_(file.metadata()), arch_(std::string(arch) + ".") {}

  std::optional<int> integer(std::string_view name, int64_t low, int64_t high) const {
    const auto n = metadata_.integer(arch_ + std::string(name));
    return n ? std::optional(checked(name, *n, low, high)) : std::nullopt;
  }
  int need(std::string_view name, int64_t low, int64_t high) const {
    const auto n = integer(name, low, high);
    if (!n) fail_missing(name);
    return *n;
  }
  std::optional<double> number(std::string_view name, double low, double high) const {
    const auto x = metadata_.number(arch_ + std::string(name));
    if (x && !(*x >= low && *x <= high)) {
      fail(file_.name(), "key {}{}: expected a number from {} to {}, found {}", arch_, name, low, high, *x);
    }
    return x;
  }
  /** One number for all layers, or one each. */
  std::optional<std::vector<int>> per_layer(std::string_view name, int layers, int64_t low, int64_t high) const {
    const auto list = metadata_.integers(arch_ + std::string(name));
    if (!list) return std::nullopt;
    if (list->size() != 1 && list->size() != static_cast<size_t>(layers)) {
      fail(file_.name(), "key {}{}: expected one number, or {} for as many layers, found {}", arch_, name, layers,
           list->size());
    }
    std::vector<int> out(static_cast<size_t>(layers));
    for (size_t i = 0; i < out.size(); ++i) out[i] = checked(name, (*list)[list->size() == 1 ? 0 : i], low, high);
    return out;
  }
  std::vector<int> need_per_layer(std::string_view name, int layers, int64_t low, int64_t high) const {
    const auto list = per_layer(name, layers, low, high);
    if (!list) fail_missing(name);
    return *list;
  }
  std::string full(std::string_view name) const { return arch_ + std::string(name); }
  const Metadata& metadata() const { return metadata_; }
  const ModelFile& file() const { return file_; }

 private:
  int checked(std::string_view name, int64_t n, int64_t low, int64_t high) const {
    if (n < low || n > high) {
      fail(file_.name(), "key {}{}: expected a whole number from {} to {}, found {}", arch_, name, low, high, n);
    }
    return static_cast<int>(n);
  }
  [[noreturn]] void fail_missing(std::string_view name) const {
    fail(file_.name(), "key {}{} is missing", arch_, name);
  }

  const ModelFile& file_;
  const Metadata& metadata_;
  std::string arch_;
};

}  // namespace gemma
