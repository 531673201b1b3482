// SPDX-License-Identifier: Apache-2.0
// A device that holds pages and counts their bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "tensor/ops.h"

namespace gemma::testing_kv {

/** Bytes alive, and the most there have been. */
struct Meter {
  int64_t bytes = 0, most = 0;
};

class MeteredStorage final : public Storage {
 public:
  MeteredStorage(int64_t bytes, Meter& meter) : bytes_(host_storage(bytes)), meter_(meter) {
    meter_.bytes += bytes;
    meter_.most = std::max(meter_.most, meter_.bytes);
  }
  ~MeteredStorage() override { meter_.bytes -= bytes(); }
  std::byte* host() override { return bytes_->host(); }
  int64_t bytes() const override { return bytes_->bytes(); }

 private:
  std::shared_ptr<Storage> bytes_;
  Meter& meter_;
};

/** What the cache asks of a device, on the host; fresh memory is poisoned. Nothing else may be called. */
class CacheOps final : public Ops {
 public:
  Meter meter;
  Tensor allocate(DType dtype, const Shape& shape) override {
    Tensor t(std::make_shared<MeteredStorage>(bytes_of(dtype, shape.count()), meter), 0, dtype, shape);
    std::ranges::fill(t.raw_mutable(), std::byte{0xff});  // in floats: no numbers
    return t;
  }
  Tensor upload(DType dtype, const Shape& shape, std::span<const std::byte> bytes) override {
    Tensor t = Tensor::host(dtype, shape);
    std::ranges::copy(bytes, t.raw_mutable().begin());
    return t;
  }
  void read(const Tensor& x, std::span<std::byte> out) override { std::ranges::copy(x.raw(), out.begin()); }
  Tensor load_rows(DType, const Shape&, const ReadRows&) override { return none(); }
  Tensor load_weight(DType, const Shape&, const ReadRows&) override { return none(); }
  int64_t weight_bytes(DType, const Shape&) const override { return 0; }
  Tensor gather_rows(const Tensor&, std::span<const int32_t>) override { return none(); }
  Tensor scatter_rows(const Tensor&, const Tensor&, std::span<const int32_t>) override { return none(); }
  Tensor columns(const Tensor&, int64_t, int64_t) override { return none(); }
  Tensor concat_columns(const Tensor&, const Tensor&) override { return none(); }
  Tensor rms_norm(const Tensor&, const Tensor*, float, int64_t) override { return none(); }
  Tensor layer_norm(const Tensor&, const Tensor&, const Tensor*, float) override { return none(); }
  Tensor add(const Tensor&, const Tensor&) override { return none(); }
  Tensor add_norm(const Tensor&, const Tensor&, const Tensor&, float) override { return none(); }
  Tensor mul(const Tensor&, const Tensor&) override { return none(); }
  Tensor scale(const Tensor&, float) override { return none(); }
  Tensor scale(const Tensor&, const Tensor&) override { return none(); }
  Tensor gated_gelu(const Tensor&, const Tensor&) override { return none(); }
  Tensor gated_sigmoid(const Tensor&, const Tensor&) override { return none(); }
  Tensor clamp(const Tensor&, float, float) override { return none(); }
  Tensor softcap(const Tensor&, float) override { return none(); }
  Tensor softmax(const Tensor&) override { return none(); }
  Tensor embed(const Tensor&, std::span<const int32_t>, float) override { return none(); }
  void linear(const Tensor&, std::span<const Tensor* const>, std::span<Tensor>) override { none(); }
  void route(const Tensor&, int, const Tensor&, Routing&) override { none(); }
  Tensor moe(const Tensor&, const Routing&, const Tensor&, const Tensor&) override { return none(); }
  Tensor rope(const Tensor&, std::span<const int32_t>, std::span<const float>, int64_t) override { return none(); }
  Tensor rope_2d(const Tensor&, int64_t, std::span<const float>, int64_t) override { return none(); }
  DenseKeys dense_keys(const Tensor&, const Tensor&, int64_t) override { return {}; }
  Tensor attention_dense(const Tensor&, const DenseKeys&) override { return none(); }
  Tensor pool(const Tensor&, int64_t, int64_t, float) override { return none(); }
  Tensor conv2d(const Tensor&, const Tensor&) override { return none(); }
  Tensor depthwise_conv1d(const Tensor&, const Tensor&) override { return none(); }
  Tensor audio_attention(const Tensor&, const Tensor&, const Tensor&, const Tensor&, int64_t, int64_t, float) override {
    return none();
  }
  void write_kv(const AttentionPlan&, const Tensor&, const Tensor&) override { none(); }
  Tensor attention(const Tensor&, const AttentionPlan&) override { return none(); }
  std::vector<Candidates> candidates(const Tensor&, std::span<const uint32_t>, int) override {
    return none(), std::vector<Candidates>{};
  }

 private:
  static Tensor none() { return GEMMA_CHECK(false, "the cache calls no such op"), Tensor{}; }
};

}  // namespace gemma::testing_kv
