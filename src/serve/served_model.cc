// SPDX-License-Identifier: Apache-2.0
#include "serve/served_model.h"

#include <utility>

namespace gemma::serve {
namespace {

ModelFacts facts_of(const std::string& name, const Speaker& who, Sampling defaults) {
  ModelFacts facts;
  facts.name = name;
  facts.sampling = std::move(defaults);
  facts.vocab = who.config.vocab;
  facts.context = who.engine.context();
  facts.chat_template = who.chat_template.has_value();
  facts.thinks = facts.tools = facts.chat_template && *who.chat_template != Template::gemma3;
  facts.adds_bos = who.tokenizer.add_bos();
  return facts;
}

}  // namespace

ServedModel::ServedModel(std::string model_name, Speaker who, MediaModel encoders, Sampling defaults,
                         std::shared_ptr<const Tokenizer> pieces, std::shared_ptr<void> keeper,
                         std::shared_ptr<EngineThread> engines)
    : name(std::move(model_name)),
      speaker(who),
      media(std::move(encoders)),
      facts(facts_of(name, who, std::move(defaults))),
      tokenizer(std::move(pieces)),
      grammars(tokenizer, speaker.config.vocab, speaker.config.special.eos),
      ends(std::make_shared<const JsonEnds>(*tokenizer, speaker.config.vocab, speaker.config.special.eos)),
      owner(std::move(keeper)),
      thread(std::move(engines)) {
  thread->add(speaker.engine);
}

}  // namespace gemma::serve
