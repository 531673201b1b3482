// SPDX-License-Identifier: Apache-2.0
// Reading golden cases and comparing with them: |a - b| <= atol + rtol |b| (tests/golden/README.md). What is compared
// is written into one table that is printed at the end, worst error over tolerance first.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/thread_pool.h"
#include "cpu/cpu_ops.h"
#include "file/model_file.h"
#include "model/model.h"

namespace gemma::parity {

std::string golden(std::string_view path);  // below tests/golden

struct Tolerance {
  double atol = 1e-3, rtol = 1e-4;
};

/** vectors.safetensors and cases.json of a case. */
class Case {
 public:
  explicit Case(const std::string& name);
  const std::string& name() const { return name_; }
  std::vector<std::string> prompts() const;
  /** "p_long/logits"; undefined tensor when the case has none. */
  Tensor tensor(const std::string& name) const;
  std::vector<std::string> names(const std::string& prefix) const;
  std::vector<int32_t> ids(const std::string& name) const;
  /** Of a prompt's logits: 1e-2 where positions start late. */
  Tolerance logits_tolerance(const std::string& prompt) const;
  const json::value& cases() const { return cases_; }

 private:
  std::string name_;
  ModelFile vectors_;
  json::value cases_;
};

/** Notes the worst error over tolerance of `what` and returns it; shapes must agree (a failure otherwise). */
double compare(const std::string& row, const std::string& what, const Tensor& found, const Tensor& expected,
               Tolerance tolerance);

/** The CPU backend of all tests of this program. */
Ops& cpu_ops();

std::shared_ptr<const ModelFile> open(const std::string& path);
/** A checkpoint of tests/golden with the config file named (in its folder). */
std::shared_ptr<const Model> load(const std::string& folder, const std::string& config, bool widen);

}  // namespace gemma::parity
