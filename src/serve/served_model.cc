// SPDX-License-Identifier: Apache-2.0
#include "serve/served_model.h"

#include <ctime>
#include <utility>

namespace gemma::serve {

ServedModel::ServedModel(std::string model_name, Speaker who, MediaModel encoders, Sampling defaults,
                         std::shared_ptr<const Tokenizer> pieces, std::shared_ptr<void> keeper)
    : name(std::move(model_name)),
      created(static_cast<int64_t>(std::time(nullptr))),
      speaker(who),
      media(std::move(encoders)),
      facts{std::move(defaults), who.config.vocab, who.engine.context(), who.chat_template.has_value(),
            who.chat_template && *who.chat_template != Template::gemma3},
      tokenizer(std::move(pieces)),
      grammars(tokenizer, speaker.config.vocab, speaker.config.special.eos),
      ends(std::make_shared<const JsonEnds>(*tokenizer, speaker.config.vocab, speaker.config.special.eos)),
      owner(std::move(keeper)),
      thread(std::make_unique<EngineThread>(speaker.engine)) {}

}  // namespace gemma::serve
