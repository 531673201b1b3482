// SPDX-License-Identifier: Apache-2.0
#include "golden.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/file.h"
#include "tensor/pack.h"

namespace gemma::parity {
namespace {

/** Worst error over tolerance by row and kind of tensor, printed once. */
class Table : public testing::Environment {
 public:
  void note(const std::string& row, const std::string& what, double ratio) {
    double& worst = rows_[row][what];
    worst = std::max(worst, ratio);
  }
  void TearDown() override {
    fmt::print("\nworst error / tolerance (1 would be the limit)\n");
    for (const auto& [row, kinds] : rows_) {
      fmt::print("  {:44}", row);
      for (const auto& [what, ratio] : kinds) fmt::print(" {} {:.4f}", what, ratio);
      fmt::print("\n");
    }
  }

 private:
  std::map<std::string, std::map<std::string, double>> rows_;
};

Table& table() {
  static Table* const t = static_cast<Table*>(testing::AddGlobalTestEnvironment(new Table));
  return *t;
}

std::vector<float> floats(const Tensor& x) {
  std::vector<float> out(static_cast<size_t>(x.shape().count()));
  unpack(x.dtype(), x.raw(), out);
  return out;
}

}  // namespace

std::string golden(std::string_view path) { return std::string(GEMMA4_GOLDEN) + "/" + std::string(path); }

Case::Case(const std::string& name)
    : name_(name),
      vectors_(ModelFile::open(golden(name + "/vectors.safetensors"))),
      cases_(parse_json_or_fail(name, read_file(golden(name + "/cases.json")))) {}

std::vector<std::string> Case::prompts() const {
  std::vector<std::string> names;
  for (const auto& prompt : cases_.at("prompts").as_object()) names.emplace_back(prompt.key());
  return names;
}

Tensor Case::tensor(const std::string& name) const {
  const TensorRecord* record = vectors_.find(name);
  if (record == nullptr) return {};
  Tensor out = Tensor::host(record->dtype, record->shape);
  vectors_.read(*record, out.raw_mutable());
  return out;
}

std::vector<std::string> Case::names(const std::string& prefix) const {
  std::vector<std::string> names;
  for (const TensorRecord& record : vectors_.tensors()) {
    if (record.name.starts_with(prefix)) names.push_back(record.name);
  }
  return names;
}

std::vector<int32_t> Case::ids(const std::string& name) const {
  const Tensor t = tensor(name);
  if (!t.defined()) return {};
  const auto values = t.data<int32_t>();
  return {values.begin(), values.end()};
}

Tolerance Case::logits_tolerance(const std::string& prompt) const {
  return cases_.at("prompts").at(prompt).as_object().contains("position_offset") ? Tolerance{1e-2, 1e-4} : Tolerance{};
}

double compare(const std::string& row, const std::string& what, const Tensor& found, const Tensor& expected,
               Tolerance tolerance) {
  EXPECT_EQ(found.shape().str(), expected.shape().str()) << row << " " << what;
  if (!(found.shape() == expected.shape())) return INFINITY;
  const std::vector<float> a = floats(found), b = floats(expected);
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double limit = tolerance.atol + tolerance.rtol * std::abs(double{b[i]});
    const double ratio = std::abs(double{a[i]} - double{b[i]}) / limit;
    worst = std::isnan(ratio) ? INFINITY : std::max(worst, ratio);
  }
  table().note(row, what, worst);
  EXPECT_LE(worst, 1.0) << row << " " << what;
  return worst;
}

Ops& cpu_ops() {
  static ThreadPool pool(2);
  static const std::unique_ptr<Ops> ops = make_cpu_ops(pool);
  return *ops;
}

std::shared_ptr<const ModelFile> open(const std::string& path) {
  return std::make_shared<const ModelFile>(ModelFile::open(path));
}

std::shared_ptr<const Model> load(const std::string& folder, const std::string& config, bool widen) {
  const auto file = open(golden(folder));
  const json::value keys = parse_json_or_fail(config, read_file(golden(folder + "/" + config)));
  const auto generation = file->side_json("generation_config.json");
  Config c = Config::from_json(config, keys, generation ? &*generation : nullptr);
  return Model::load(file, std::move(c), cpu_ops(), {.widen = widen});
}

}  // namespace gemma::parity
