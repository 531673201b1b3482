// SPDX-License-Identifier: Apache-2.0
// Rows nobody asks for stop once the last cache is written, and nothing that somebody asks for changes by a bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "golden.h"
#include "model/single.h"

namespace gemma::parity {
namespace {

class Rows : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const Case golden_case(GetParam());
    model_ = load(GetParam(), "config.json", false);
    ids_ = golden_case.ids("p_long/input_ids");
    SingleSequence sequence(*model_, cpu_ops(), {});
    logits_ = sequence.logits(sequence.feed(batch_rows(ids_)));
  }

  std::vector<float> full_row(int32_t row) const {
    const auto values = logits_.slice(row, 1).data<float>();
    return {values.begin(), values.end()};
  }

  int last_cache() const {
    int last = 0;
    for (int i = 0; i < static_cast<int>(model_->config.layers.size()); ++i) {
      if (model_->config.layers[static_cast<size_t>(i)].kv_source == i) last = i;
    }
    return last;
  }

  std::shared_ptr<const Model> model_;
  std::vector<int32_t> ids_;
  Tensor logits_;  // of every row, in one pass
};

std::vector<float> values_of(const Tensor& x) {
  const auto values = x.data<float>();
  return {values.begin(), values.end()};
}

/** Rows that the feed-forward part of each layer computed. */
std::map<int, int64_t> rows_by_layer(Trace& trace) {
  std::map<int, int64_t> rows;
  for (const auto& [name, tensor] : trace.tensors()) rows[std::stoi(name.substr(6))] += tensor.rows();
  return rows;
}

bool is_mlp(std::string_view name) { return name.ends_with(".mlp.out"); }

TEST_P(Rows, OnlyTheWantedOnesGoOnAfterTheLastCache) {
  for (const std::vector<int32_t>& wanted : {std::vector<int32_t>{44}, {0}, {3, 17, 44}}) {
    Batch batch = batch_rows(ids_);
    batch.wanted = wanted;
    SingleSequence sequence(*model_, cpu_ops(), {});
    Trace trace(cpu_ops(), is_mlp);
    const Tensor found = sequence.logits(sequence.feed(batch));
    ASSERT_EQ(found.rows(), static_cast<int64_t>(wanted.size()));
    for (const auto& [layer, rows] : rows_by_layer(trace)) {
      EXPECT_EQ(rows, layer < last_cache() ? 45 : static_cast<int64_t>(wanted.size())) << "layer " << layer;
    }
    for (size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_EQ(values_of(found.slice(static_cast<int64_t>(i), 1)), full_row(wanted[i])) << "row " << wanted[i];
    }
  }
}

TEST_P(Rows, APassNobodyAsksOnlyWritesCaches) {
  Batch batch = batch_rows(std::span(ids_).first(40));
  batch.wanted = {};
  SingleSequence sequence(*model_, cpu_ops(), {});
  {
    Trace trace(cpu_ops(), is_mlp);
    EXPECT_EQ(sequence.feed(batch).rows(), 0);
    const auto rows = rows_by_layer(trace);
    EXPECT_EQ(rows.size(), static_cast<size_t>(last_cache()));
  }
  const Tensor rest = sequence.logits(sequence.feed(batch_rows(std::span(ids_).subspan(40), 40)));
  for (int32_t row = 40; row < 45; ++row) EXPECT_EQ(values_of(rest.slice(row - 40, 1)), full_row(row));
}

TEST_P(Rows, PiecesOfAPromptGiveTheSameBits) {
  for (const size_t piece : {1, 7, 19}) {
    SingleSequence sequence(*model_, cpu_ops(), {});
    for (size_t at = 0; at < ids_.size(); at += piece) {
      const size_t n = std::min(piece, ids_.size() - at);
      const Tensor found =
          sequence.logits(sequence.feed(batch_rows(std::span(ids_).subspan(at, n), static_cast<int32_t>(at))));
      for (size_t i = 0; i < n; ++i) {
        ASSERT_EQ(values_of(found.slice(static_cast<int64_t>(i), 1)), full_row(static_cast<int32_t>(at + i)))
            << "pieces of " << piece << ", row " << at + i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Rows,
                         testing::Values("e_text", "dense_text", "moe_text", "unified_text", "gemma3_text"),
                         [](const testing::TestParamInfo<const char*>& name) { return std::string(name.param); });

TEST(Rows, ModelsThatShareCachesSaveMostOfAPrefill) {
  const auto model = load("e_text", "config.json", false);
  Batch batch = batch_rows(std::vector<int32_t>(40, 7));
  batch.wanted = {39};
  SingleSequence sequence(*model, cpu_ops(), {});
  Trace trace(cpu_ops(), is_mlp);
  sequence.feed(batch);
  int64_t rows = 0;
  for (const auto& each : rows_by_layer(trace)) rows += each.second;
  EXPECT_EQ(rows, 5 * 40 + 5);  // of 10 * 40
}

}  // namespace
}  // namespace gemma::parity
