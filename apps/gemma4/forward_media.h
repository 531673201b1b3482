// SPDX-License-Identifier: Apache-2.0
// Pictures, film and sound among the inputs of `gemma4 forward`, as encoders read them: patches and features.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "file/model_file.h"
#include "model/encoding.h"

namespace gemma::app {

/** What mm_token_type_ids hold. */
enum TokenType : int32_t { kText = 0, kImage = 1, kVideo = 2, kAudio = 3 };
inline constexpr std::array<std::string_view, 4> kTypeNames{"text", "image", "video", "audio"};

/** A picture, frame or clip whose soft tokens are to be made. */
struct ToEncode {
  std::string name;       // of its tensor, for messages
  int64_t first_row = 0;  // of the prompt, where its soft tokens go
  MediaInput media;
};

/** Hands out the pictures, frames and clips of a prompt, in order. */
class EncoderInputs {
 public:
  /** prefix: "" or "PROMPT/". `file` outlives this. */
  EncoderInputs(const ModelFile& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

  /** Whether there is one of the kind that has not been handed out. */
  bool has(TokenType type) const;
  /** Fails with tensor, expected and found. */
  ToEncode next(TokenType type);

 private:
  const TensorRecord* find(const std::string& name) const { return file_.find(prefix_ + name); }
  std::string name_of(TokenType type) const;
  Tensor load(const TensorRecord& record) const;
  ToEncode picture(TokenType type);
  ToEncode clip();

  const ModelFile& file_;
  std::string prefix_;
  std::array<int64_t, 4> used_{};  // of each kind
};

/** Soft tokens, which must be as many as their places. `where`: the file with the inputs. */
Tensor encode(Ops& ops, const Encoders& encoders, const ToEncode& input, int64_t places, const std::string& where);

}  // namespace gemma::app
