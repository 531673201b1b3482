// SPDX-License-Identifier: Apache-2.0
// A model's tokenizer, made by a thread of its own while weights are read: it takes one thread 0.1 to 0.2 s.
#pragma once

#include <memory>
#include <optional>

#include "base/beside.h"
#include "base/heap.h"
#include "file/model_file.h"
#include "gemma4/machine.h"
#include "text/tokenizer.h"

namespace gemma::app {

class TokenizerBeside {
 public:
  /** Where memory is limited or counted it is made at once, so that weights are told what it leaves. */
  TokenizerBeside(std::shared_ptr<ModelFile> file, const MachineOptions& machine) : file_(std::move(file)) {
    if (machine.memory.empty() && machine.mmap.empty()) {
      beside_.emplace([made_of = file_] { return Tokenizer::from(*made_of); });
    } else {
      tokenizer_ = Tokenizer::from(*file_);
      forget_lists();
    }
  }

  /** Once, when the file's metadata is not read by anybody else: its lists of pieces go. */
  std::shared_ptr<const Tokenizer> get() {
    if (!beside_) return tokenizer_;
    tokenizer_ = beside_->get();
    forget_lists();
    return tokenizer_;
  }

 private:
  void forget_lists() {
    file_->forget_vocabulary();
    trim_heap();
  }

  std::shared_ptr<ModelFile> file_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::optional<Beside<std::shared_ptr<const Tokenizer>>> beside_;
};

}  // namespace gemma::app
