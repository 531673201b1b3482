// SPDX-License-Identifier: Apache-2.0
#include "tensor/kv_type.h"

#include <gtest/gtest.h>

namespace gemma {
namespace {

constexpr KvTypes kBf16{KvType::bf16, KvType::bf16}, kKv8{KvType::kv8, KvType::kv8};
constexpr KvTypes kMixed{KvType::tq3, KvType::tq4};

TEST(KvType, NamesAreReadAndWritten) {
  EXPECT_EQ(cache_types_named("bf16"), (CacheTypes{kBf16, kBf16}));
  EXPECT_EQ(cache_types_named("kv8"), (CacheTypes{kKv8, kKv8}));
  EXPECT_EQ(cache_types_named("tq3/tq4"), (CacheTypes{kMixed, kKv8}));  // nothing to save on windows
  EXPECT_EQ(cache_types_named("f32/tq4"), (CacheTypes{{KvType::f32, KvType::tq4}, {KvType::f32, KvType::kv8}}));
  EXPECT_EQ(cache_types_named("tq3/tq4,bf16"), (CacheTypes{kMixed, kBf16}));
  EXPECT_EQ(cache_types_named("kv8,tq3/tq4"), (CacheTypes{kKv8, kMixed}));
  for (const char* name :
       {"f32", "bf16", "kv8", "tq4", "tq3", "tq2", "tq3/tq4", "tq4,bf16", "kv8,tq3/tq4", "tq2/f32,tq2"}) {
    const auto types = cache_types_named(name);
    ASSERT_TRUE(types) << name;
    EXPECT_EQ(name_of(*types), name);
  }
  for (const char* name : {"", "q8", "tq4/", "/tq4", "tq4,", ",tq4", "tq4/tq4/tq4", "tq4,tq4,tq4", "TQ4", "tq4 "}) {
    EXPECT_FALSE(cache_types_named(name)) << name;
  }
}

TEST(KvType, BytesOfAPage) {
  EXPECT_EQ(kv_page_bytes(KvType::f32, 64, 256), 64 * 256 * 4);
  EXPECT_EQ(kv_page_bytes(KvType::bf16, 10, 24), 10 * 24 * 2);
  EXPECT_EQ(kv_page_bytes(KvType::kv8, 64, 256), 64 * (256 + 4 * 4));  // a scale for 64 values
  EXPECT_EQ(kv_page_bytes(KvType::tq4, 64, 256), 64 * (128 + 4));
  EXPECT_EQ(kv_page_bytes(KvType::tq3, 64, 512), 64 * (192 + 4));
  EXPECT_EQ(kv_page_bytes(KvType::tq2, 32, 24), 32 * (8 + 4));  // whole blocks of 32
  EXPECT_LE(kv_page_bytes(KvType::tq4, 64, 256), kv_page_bytes(KvType::bf16, 64, 256) * 3 / 10);
  EXPECT_TRUE(fits_page(KvType::tq4, 96));
  EXPECT_FALSE(fits_page(KvType::tq4, 48));
  EXPECT_FALSE(fits_page(KvType::kv8, 512));
  EXPECT_TRUE(fits_page(KvType::bf16, 3));
}

}  // namespace
}  // namespace gemma
