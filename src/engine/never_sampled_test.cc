// SPDX-License-Identifier: Apache-2.0
#include "engine/never_sampled.h"

#include <gmock/gmock.h>

#include "engine/tiny_tokenizer.h"

namespace gemma {
namespace {

using testing::ElementsAre;

TEST(NeverSampled, ReservedAndMediaPieces) {
  const auto tokenizer = tiny_tokenizer({{"<pad>", Tiny::control},            // 0
                                         {"<eos>", Tiny::control},            // 1
                                         {"<bos>", Tiny::control},            // 2
                                         {"<unused0>", Tiny::normal},         // 3
                                         {"<unused17>", Tiny::user_defined},  // 4
                                         {"<unusedx>", Tiny::normal},         // 5
                                         {"<|turn>", Tiny::control},          // 6
                                         {"<turn|>", Tiny::control},          // 7
                                         {"<|channel>", Tiny::control},       // 8
                                         {"<|tool_call>", Tiny::control},     // 9
                                         {"<image|>", Tiny::control},         // 10
                                         {"<mask>", Tiny::normal},            // 11: here a piece of text
                                         {"word", Tiny::normal}});            // 12
  Config config;
  config.vocab = tokenizer->size() + 2;
  config.special.eos = {1, 7};
  config.special.suppress = {12, 7};
  EXPECT_THAT(never_sampled(config, tokenizer.get()),
              ElementsAre(0, 2, 3, 4, 10, 12, config.vocab - 2, config.vocab - 1));
}

TEST(NeverSampled, WithoutATokenizerWhatTheConfigKnows) {
  Config config;
  config.vocab = 512;
  config.special.image = 500;
  config.special.audio_end = 506;
  config.special.suppress = {505, 9000};
  EXPECT_THAT(never_sampled(config, nullptr), ElementsAre(0, 2, 500, 505, 506));
}

}  // namespace
}  // namespace gemma
