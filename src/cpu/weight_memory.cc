// SPDX-License-Identifier: Apache-2.0
#include "cpu/weight_memory.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace gemma::cpu {
namespace {

constexpr int64_t kBlockBytes = int64_t{256} << 20;
constexpr int64_t kAlone = kBlockBytes / 4;  // what is larger has few pages at its ends, beside those within
constexpr int64_t kLine = 64;

class Cut : public Storage {
 public:
  Cut(std::shared_ptr<Storage> block, int64_t offset, int64_t bytes)
      : block_(std::move(block)), offset_(offset), bytes_(bytes) {}
  std::byte* host() override { return block_->host() + offset_; }
  int64_t bytes() const override { return bytes_; }

 private:
  std::shared_ptr<Storage> block_;
  int64_t offset_, bytes_;
};

}  // namespace

std::shared_ptr<Storage> WeightMemory::take(int64_t bytes) {
  if (bytes >= kAlone) return host_storage(bytes);
  if (block_ == nullptr || used_ + bytes > kBlockBytes) {
    block_ = host_storage(kBlockBytes);
    used_ = 0;
  }
  auto cut = std::make_shared<Cut>(block_, used_, bytes);
  used_ += (bytes + kLine - 1) / kLine * kLine;
  return cut;
}

}  // namespace gemma::cpu
