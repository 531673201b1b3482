// SPDX-License-Identifier: Apache-2.0
#include "tensor/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <vector>

namespace gemma {
namespace {

TEST(Shape, CountsRowsAndColumns) {
  EXPECT_EQ((Shape{2, 3, 4}).count(), 24);
  EXPECT_EQ((Shape{2, 3, 4}).rows(), 6);
  EXPECT_EQ((Shape{2, 3, 4}).cols(), 4);
  EXPECT_EQ(Shape{}.count(), 1);
  EXPECT_EQ((Shape{5, 0}).rows(), 0);
  EXPECT_EQ((Shape{24, 64}).str(), "[24, 64]");
  EXPECT_NE((Shape{6}), (Shape{2, 3}));
  EXPECT_DEATH((Shape{std::numeric_limits<int64_t>::max(), 2}).count(), "fits 64 bits");
}

TEST(Tensor, ViewsShareTheBytes) {
  std::vector<float> values(24);
  std::iota(values.begin(), values.end(), 0.0f);
  const Tensor t = Tensor::from(std::span<const float>(values), Shape{4, 6});
  const Tensor rows = t.slice(1, 2);
  EXPECT_EQ(rows.shape(), (Shape{2, 6}));
  EXPECT_EQ(rows.data<float>()[0], 6.0f);
  EXPECT_EQ(rows.data<float>().data(), t.data<float>().data() + 6);
  EXPECT_EQ(t.view(Shape{2, 12}).slice(1, 1).data<float>()[11], 23.0f);
  EXPECT_DEATH(t.slice(3, 2), "inside its tensor");
  EXPECT_DEATH(t.view(Shape{5, 5}), "as many values");
  EXPECT_DEATH(t.data<uint16_t>(), "own type");
}

TEST(Tensor, BytesLiveAsLongAsAHandle) {
  Tensor part;
  {
    const std::vector<int32_t> values{1, 2, 3, 4};
    part = Tensor::from(std::span<const int32_t>(values), Shape{2, 2}).slice(1, 1);
  }
  EXPECT_THAT(part.data<int32_t>(), testing::ElementsAre(3, 4));
}

TEST(Tensor, BlocksAreWhole) {
  const Tensor t = Tensor::host(DType::q4_k, Shape{3, 512});
  EXPECT_EQ(t.bytes(), 3 * 2 * 144);
  EXPECT_EQ(t.slice(2, 1).offset(), 2 * 2 * 144);
  EXPECT_DEATH(Tensor::host(DType::q4_k, Shape{3, 100}), "whole blocks");
  EXPECT_FALSE(Tensor().defined());
}

TEST(DType, NamesGoBothWays) {
  for (int i = 0; i < kDTypes; ++i) {
    const auto type = static_cast<DType>(i);
    EXPECT_EQ(dtype_named(info(type).name), type);
    EXPECT_EQ(is_quantized(type), info(type).block > 1);
  }
  EXPECT_EQ(dtype_named("q9"), std::nullopt);
}

}  // namespace
}  // namespace gemma
