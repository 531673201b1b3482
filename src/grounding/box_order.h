// SPDX-License-Identifier: Apache-2.0
// What a schema cannot say of boxes: [y1, x1, y2, x2] of box_schema() (findings.h) whose corners are in order and have
// an area between them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "grammar/ending.h"
#include "grammar/grammar.h"

namespace gemma::grounding {

/** The grammar of a box_schema(), its boxes in order. vocab: rows of the model's head. */
std::shared_ptr<const Grammar> with_ordered_boxes(std::shared_ptr<const Grammar> grammar,
                                                  std::shared_ptr<const Tokenizer> tokenizer, int vocab);

/** Follows the answer's text. The first corner leaves room up to kScale; of a number of the second, only such digits
 *  may come as it can still be greater with, and its end only once it is. */
class BoxOrder final : public TokenMask, public Ending {
 public:
  /** What all masks over one vocabulary share. */
  struct Vocabulary {
    Vocabulary(std::shared_ptr<const Tokenizer> pieces, int vocab);
    std::shared_ptr<const Tokenizer> tokenizer;
    std::vector<int32_t> beginning;  // ids whose text goes on behind a bracket: with these a box may begin
  };

  BoxOrder(std::unique_ptr<TokenMask> mask, std::shared_ptr<const Vocabulary> vocabulary)
      : mask_(std::move(mask)), vocabulary_(std::move(vocabulary)) {}

  void fill(std::span<uint32_t> bits) override;
  bool accept(int32_t token) override;
  void rollback(int tokens) override;
  bool finished() const override { return mask_->finished(); }
  bool free() const override { return mask_->free(); }
  bool nearer(std::span<uint32_t> bits) const override;

 private:
  /** A place in the text. */
  struct Place {
    bool quoted = false, escaped = false;
    int depth = 0;    // of brackets: 1 in the list, 2 in a box
    int count = 0;    // numbers of the box that are whole
    int number = -1;  // as far as it is written; -1 before its first digit
    int corner[2] = {0, 0};

    bool step(char letter);
    bool step_in_box(char letter);
    bool may_become() const;
    bool whole() const;
    int least() const;
    int most() const;
  };

  bool step(Place& place, int32_t token) const;

  std::unique_ptr<TokenMask> mask_;
  std::shared_ptr<const Vocabulary> vocabulary_;
  std::vector<Place> places_{Place{}};  // at the beginning and after each token
};

}  // namespace gemma::grounding
