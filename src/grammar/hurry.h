// SPDX-License-Identifier: Apache-2.0
// A mask that brings an answer to its end: from some token on, what ends it where that may come; else what the mask
// says leads there (ending.h); else, of JSON, only such tokens as close what is open, and where none can (a property
// that must be there is not yet), anything but blanks. So an answer is whole before its length is used up.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "grammar/ending.h"
#include "text/tokenizer.h"

namespace gemma {

/** Which ids close, and which are blank; words of 32 bits as in a mask. */
struct JsonEnds {
  JsonEnds(const Tokenizer& tokenizer, int vocab, const std::vector<int32_t>& stop_ids);
  std::vector<uint32_t> closing, blank, stops;
  std::vector<uint32_t> square, curly, quote;  // of closing those that begin with ] } "
};

class Hurry final : public TokenMask {
 public:
  /** after: tokens that come as they like. ending: a part of the mask that knows its way, or null. */
  Hurry(std::unique_ptr<TokenMask> mask, int after, std::shared_ptr<const JsonEnds> ends,
        const Ending* ending = nullptr)
      : mask_(std::move(mask)), ending_(ending), after_(after), ends_(std::move(ends)) {}

  void fill(std::span<uint32_t> bits) override;
  bool accept(int32_t token) override;
  void rollback(int tokens) override;
  bool finished() const override { return mask_->finished(); }
  bool free() const override { return taken_ < after_ && mask_->free(); }

 private:
  bool nearer(std::span<uint32_t> bits) const;

  std::unique_ptr<TokenMask> mask_;
  const Ending* ending_;
  int after_, taken_ = 0;
  std::shared_ptr<const JsonEnds> ends_;
};

}  // namespace gemma
