// SPDX-License-Identifier: Apache-2.0
// Conversations with pictures, sound and film, from arrays to answers: what the engine says to the prompt is what the
// forward pass gives for the same arrays, in whatever pieces the prompt is read; asking again encodes nothing.
#include "exchange/exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../parity/media_case.h"
#include "exchange/media_model.h"
#include "model/single.h"
#include "text/tiny_tokenizer.h"

namespace gemma {
namespace {

using media::Kind;
using testing::HasSubstr;

constexpr const char* kPicture = "/preprocess/images/wide_40x150.png";
constexpr const char* kOther = "/preprocess/images/square_96.png";
constexpr const char* kSound = "/preprocess/audio/tones_16000_11.wav";
constexpr const char* kFilm = "/media/films/h264_aac.mp4";

/** Letters, and the control tokens where the golden configs have their ids. */
std::shared_ptr<const Tokenizer> tokenizer_for(const SpecialTokens& special) {
  TinyTokenizer tiny;
  for (char c = '!'; c < 127; ++c) tiny.pieces.emplace_back(1, c);
  tiny.pieces.insert(tiny.pieces.end(), {"\n", "\u2581", "<|turn>", "<turn|>", "<|channel>", "<channel|>"});
  while (TinyTokenizer::kFirst + tiny.pieces.size() < 512) {
    tiny.pieces.push_back(fmt::format("<unused{}>", tiny.pieces.size()));
  }
  const auto name = [&](int32_t id, const char* piece) {
    tiny.pieces[static_cast<size_t>(id - TinyTokenizer::kFirst)] = piece;
    tiny.added.push_back({piece, true, false});
  };
  name(special.image_begin, "<|image>"), name(special.image, "<|image|>"), name(special.image_end, "<image|>");
  name(special.audio_begin, "<|audio>"), name(special.audio, "<|audio|>"), name(special.audio_end, "<audio|>");
  name(special.video, "<|video|>");
  for (const char* piece : {"<|turn>", "<turn|>", "<|channel>", "<channel|>"})
    tiny.added.push_back({piece, true, false});
  return Tokenizer::from_json("tiny", write_json(tiny.to_json()));
}

struct Setting {
  parity::MediaModel model;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<Engine> engine;

  explicit Setting(const std::string& name, int context = 1024, int rows = 512)
      : model(parity::load_media(name, "config.json", true, parity::AudioWindow::trained)) {
    auto endless = std::make_shared<Model>(*model.text);
    endless->config.special.eos.clear();
    model.text = endless;
    tokenizer = tokenizer_for(model.text->config.special);
    EngineOptions o;
    o.context = context;
    o.batch_tokens = rows;
    o.kv.types = *cache_types_named("f32");
    o.encoders = model.encoders;
    engine = std::make_unique<Engine>(model.text, tokenizer, parity::cpu_ops(), o);
  }

  Speaker speaker() const { return {*engine, *tokenizer, model.text->config, Template::edge}; }

  std::shared_ptr<const Media> media(const char* path, Kind kind) const {
    media::PrepareOptions options;
    options.kind = kind;
    options.budget = 70;
    options.frames.max_frames = 2;
    MediaModel{path, model.encoders->config, {}, {}}.set(options);
    const auto arrays = media::prepare(*file_source(parity::golden(path + 1)), options);
    return std::make_shared<const Media>(media_of(path, kind, arrays, model.encoders->config));
  }

  Answer run(Result<std::unique_ptr<Exchange>> exchange) const {
    Answer refused;
    if (!exchange) refused.error = exchange.failure().message();
    if (!exchange) return refused;
    bool done = false;
    exchange.value()->submit({}, [&] { done = true; });
    while (!done) engine->step();
    return exchange.value()->answer();
  }
};

AnswerOptions greedy(int tokens) {
  AnswerOptions options;
  options.sampling.temperature = 0;
  options.max_tokens = tokens;
  options.loop_stop = false;
  options.top_logprobs = 3;
  return options;
}

json::array asking(const MediaList& media, const char* words) {
  json::array parts;
  for (const auto& each : media) parts.push_back(media_part(each->item.medium));
  parts.push_back(json::object{{"type", "text"}, {"text", words}});
  return {json::object{{"role", "user"}, {"content", parts}}};
}

/** Logits of what comes after the exchange's prompt, by the forward pass alone. */
std::vector<float> logits_after(const Setting& s, const std::vector<int32_t>& prompt, const MediaList& media) {
  Batch batch = batch_rows(prompt);
  batch.wanted = {static_cast<int32_t>(prompt.size()) - 1};
  size_t at = 0;
  for (const auto& each : media) {
    for (size_t i = 0; i < each->inputs.size(); ++i) {
      const MediaBlock& block = each->item.blocks[i];
      const SpecialTokens& special = s.model.text->config.special;
      const int32_t id = block.medium == Medium::image   ? special.image
                         : block.medium == Medium::video ? special.video
                                                         : special.audio;
      at = static_cast<size_t>(std::find(prompt.begin() + static_cast<std::ptrdiff_t>(at), prompt.end(), id) -
                               prompt.begin());
      Encoding encoding = Encoding::of(parity::cpu_ops(), *s.model.encoders, each->inputs[i]);
      while (!encoding.done()) encoding.advance();
      batch.media.push_back(
          {static_cast<int64_t>(at), block.soft_tokens, block.medium != Medium::audio, encoding.soft_tokens(), 0});
      at += static_cast<size_t>(block.soft_tokens);
    }
  }
  KvOptions kv;
  kv.types = *cache_types_named("f32");
  SingleSequence sequence(*s.model.text, parity::cpu_ops(), kv);
  const Tensor logits = sequence.logits(sequence.feed(std::move(batch)));
  std::vector<float> values(static_cast<size_t>(logits.shape().count()));
  parity::cpu_ops().read(logits, std::as_writable_bytes(std::span(values)));
  return values;
}

class Conversation : public testing::TestWithParam<const char*> {};

TEST_P(Conversation, TheAnswerIsThatOfTheForwardPassInWhateverPieces) {
  std::vector<std::vector<int32_t>> answers;
  for (const int rows : {512, 24}) {
    const Setting s(GetParam(), 1024, rows);
    MediaList media;
    media.push_back(s.media(kPicture, Kind::image));
    media.push_back(s.media(kSound, Kind::audio));
    if (media::has_ffmpeg()) media.push_back(s.media(kFilm, Kind::video));
    auto exchange = Exchange::chat(s.speaker(), asking(media, "What?"), media, greedy(12));
    ASSERT_TRUE(exchange.ok()) << exchange.failure().message();
    const std::vector<int32_t> prompt = exchange.value()->prompt();
    const Answer answer = s.run(std::move(exchange));
    ASSERT_EQ(answer.tokens, 12) << answer.error;
    std::vector<float> logits = logits_after(s, prompt, media);
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
    for (const Alternative& best : answer.logprobs[0].top) {
      EXPECT_NEAR(best.logprob, logits[static_cast<size_t>(best.token)] - std::log(sum), 1e-4) << best.token;
    }
    answers.emplace_back();
    for (const TokenLogprob& token : answer.logprobs) answers.back().push_back(token.token);
  }
  EXPECT_EQ(answers[0], answers[1]);
}

INSTANTIATE_TEST_SUITE_P(Models, Conversation, testing::Values("mixed", "unified_mixed"),
                         [](const testing::TestParamInfo<const char*>& name) { return std::string(name.param); });

TEST(Exchange, AskingTwiceEncodesOnce) {
  const Setting s("mixed");
  const MediaList media{s.media(kPicture, Kind::image), s.media(kSound, Kind::audio)};
  const Answer first = s.run(Exchange::chat(s.speaker(), asking(media, "What?"), media, greedy(4)));
  EXPECT_EQ(s.engine->stats().media_encoded, 2) << first.error;
  EXPECT_EQ(s.engine->stats().reused_tokens, 0);
  // The same files, read anew: nothing of the prompt is calculated again but its end.
  const MediaList again{s.media(kPicture, Kind::image), s.media(kSound, Kind::audio)};
  const Answer second = s.run(Exchange::chat(s.speaker(), asking(again, "What?"), again, greedy(4)));
  EXPECT_EQ(second.text, first.text);
  EXPECT_GT(s.engine->stats().reused_tokens, again[0]->item.tokens() + again[1]->item.tokens());
  // Behind other words the prefix is another, and what was encoded is found.
  json::array messages = asking(again, "What?");
  messages.insert(messages.begin(), json::object{{"role", "system"}, {"content", "Be brief."}});
  s.run(Exchange::chat(s.speaker(), messages, again, greedy(4)));
  EXPECT_EQ(s.engine->stats().media_encoded, 2);
  EXPECT_EQ(s.engine->stats().media_found, 2);
  // Another picture in the same place is another prompt.
  const MediaList other{s.media(kOther, Kind::image), again[1]};
  s.run(Exchange::chat(s.speaker(), asking(other, "What?"), other, greedy(4)));
  EXPECT_EQ(s.engine->stats().media_encoded, 3);
}

TEST(Exchange, NothingIsFoundUnderAnotherSalt) {
  const Setting s("mixed");
  const MediaList media{s.media(kPicture, Kind::image)};
  std::vector<std::string> texts;
  for (const uint64_t salt : {0, 1, 2, 1}) {
    AnswerOptions options = greedy(4);
    options.salt = salt;
    texts.push_back(s.run(Exchange::chat(s.speaker(), asking(media, "What?"), media, options)).text);
    EXPECT_EQ(s.engine->stats().media_encoded, static_cast<int64_t>(std::min<size_t>(texts.size(), 3)));
    if (texts.size() <= 3) {
      EXPECT_EQ(s.engine->stats().reused_tokens, 0);
    }
  }
  EXPECT_GT(s.engine->stats().reused_tokens, media[0]->item.tokens());
  EXPECT_THAT(texts, testing::Each(texts[0]));
}

TEST(Exchange, OldTurnsGoWithTheirMedia) {
  const Setting s("mixed", 256);
  const MediaList media{s.media(kPicture, Kind::image), s.media(kOther, Kind::image)};
  json::array messages = asking({media[0]}, "What?");
  messages.push_back(json::object{{"role", "assistant"}, {"content", std::string(60, 'a')}});
  messages.push_back(asking({media[1]}, "And this?")[0]);
  const Answer answer = s.run(Exchange::chat(s.speaker(), messages, media, greedy(40)));
  EXPECT_EQ(answer.dropped_turns, 1) << answer.error;
  EXPECT_EQ(s.engine->stats().media_encoded, 1);
  const Answer alone = s.run(Exchange::chat(s.speaker(), asking({media[1]}, "And this?"), {media[1]}, greedy(40)));
  EXPECT_EQ(answer.text, alone.text);
}

/** A conversation of small turns. */
json::array talk(int turns) {
  json::array messages;
  for (int i = 0; i < turns; ++i) {
    messages.push_back(json::object{{"role", "user"}, {"content", "What?"}});
    messages.push_back(json::object{{"role", "assistant"}, {"content", "That."}});
  }
  messages.push_back(asking({}, "And then?")[0]);
  return messages;
}

TEST(Exchange, AsFewTurnsGoAsLeaveRoom) {
  const Setting s("mixed", 256);
  const int room = 256 - 256 / 4;
  for (int turns = 0; turns < 30; ++turns) {
    const json::array all = talk(turns);
    auto exchange = Exchange::chat(s.speaker(), all, {}, greedy(0));
    ASSERT_TRUE(exchange.ok()) << exchange.failure().message();
    const auto length = [&](int dropped) {
      const json::array rest(all.begin() + 2 * dropped, all.end());
      return Exchange::count(s.speaker(), rest, {}, greedy(0)).value();
    };
    const int dropped = exchange.value()->answer().dropped_turns;
    EXPECT_EQ(std::ssize(exchange.value()->prompt()), length(dropped));
    EXPECT_LE(length(dropped), room);
    if (dropped > 0) {
      EXPECT_GT(length(dropped - 1), room) << turns;
    }
  }
}

TEST(Exchange, SeveralTurnsGoAtOnceWhenTheContextFillsUp) {
  const Setting s("mixed", 256);
  auto exchange = Exchange::chat(s.speaker(), talk(20), {}, greedy(150));
  ASSERT_TRUE(exchange.ok()) << exchange.failure().message();
  const Answer& answer = exchange.value()->answer();
  bool done = false;
  exchange.value()->submit({}, [&] { done = true; });
  const int at_start = answer.dropped_turns;
  int seen = at_start, times = 0;
  while (!done) {
    s.engine->step();
    times += std::exchange(seen, answer.dropped_turns) != answer.dropped_turns ? 1 : 0;
  }
  EXPECT_EQ(answer.tokens, 150) << answer.error;
  EXPECT_GT(seen, at_start + 2);
  EXPECT_LE(times, 2);
}

TEST(Exchange, CancelsWhatGoesOnWithFewerTurns) {
  const Setting s("mixed", 256);
  auto exchange = Exchange::chat(s.speaker(), talk(20), {}, greedy(0));
  ASSERT_TRUE(exchange.ok()) << exchange.failure().message();
  const Answer& answer = exchange.value()->answer();
  bool done = false;
  exchange.value()->submit({}, [&] { done = true; });
  const int at_start = answer.dropped_turns;
  while (!done && answer.dropped_turns == at_start) s.engine->step();
  ASSERT_FALSE(done);
  s.engine->step();
  exchange.value()->cancel();
  exchange.value()->cancel();
  const int tokens = answer.tokens;
  while (!done) s.engine->step();
  EXPECT_EQ(answer.finish, Finish::cancelled);
  EXPECT_EQ(answer.tokens, tokens);
}

TEST(Exchange, OneThatIsGoneIsCancelled) {
  const Setting s("mixed");
  bool done = false;
  int pieces = 0;
  {
    auto exchange = Exchange::chat(s.speaker(), asking({}, "What?"), {}, greedy(200));
    ASSERT_TRUE(exchange.ok()) << exchange.failure().message();
    exchange.value()->submit([&](const ChatEvent&) { ++pieces; }, [&] { done = true; });
    while (pieces == 0) s.engine->step();
  }
  const int before = pieces;
  while (s.engine->step()) {
  }
  EXPECT_FALSE(done);
  EXPECT_EQ(pieces, before);
  EXPECT_LT(s.engine->stats().generated_tokens, 100);
}

TEST(Exchange, WhatDoesNotFitIsSaid) {
  const Setting s("mixed", 128);
  const auto picture = s.media(kPicture, Kind::image), other = s.media(kOther, Kind::image);
  const auto error = [&](const json::array& messages, const MediaList& media) {
    return s.run(Exchange::chat(s.speaker(), messages, media, greedy(4))).error;
  };
  EXPECT_EQ(error(asking({picture}, "a"), {picture}), "");
  EXPECT_THAT(error(asking({picture, other}, "a"), {picture, other}),
              testing::ContainsRegex(fmt::format("square_96.png: needs {} tokens, and [0-9]+ are left of the context "
                                                 "of 128",
                                                 other->item.tokens())));
  EXPECT_THAT(error(asking({picture}, std::string(200, 'a').c_str()), {picture}), HasSubstr("prompt: has"));
  EXPECT_THAT(error(asking({picture}, "a"), {}), HasSubstr("expected one for each <|image|>, found 0"));
  Speaker plain = s.speaker();
  plain.chat_template.reset();
  EXPECT_THAT(s.run(Exchange::chat(plain, asking({picture}, "a"), {picture}, greedy(4))).error, HasSubstr("--raw"));
}

TEST(Exchange, PlainTextWithMedia) {
  const Setting s("mixed");
  const MediaList media{s.media(kPicture, Kind::image)};
  const auto prompt = [&](const char* text, Specials specials) {
    auto exchange = Exchange::raw(s.speaker(), text, specials, media, greedy(4));
    EXPECT_TRUE(exchange.ok());
    const std::string spelled = s.tokenizer->decode(exchange.value()->prompt());
    EXPECT_EQ(s.run(std::move(exchange)).tokens, 4);
    return spelled;
  };
  EXPECT_THAT(prompt("a<|image|>b", Specials::control), testing::StartsWith("a<|image><|image|><|image|>"));
  EXPECT_THAT(prompt("ab", Specials::control), testing::StartsWith("<|image><|image|><|image|>"));
  EXPECT_THAT(prompt("a<|image|>b", Specials::text), testing::EndsWith("<image|>a<|image|>b"));
}

TEST(Exchange, AnAnswerThatIsBegunGoesOn) {
  const Setting s("mixed");
  const std::string whole = s.run(Exchange::chat(s.speaker(), asking({}, "a"), {}, greedy(12))).text;
  AnswerOptions options = greedy(12);
  options.prefill = "<turn|> x";
  auto begun = Exchange::chat(s.speaker(), asking({}, "a"), {}, options);
  ASSERT_TRUE(begun);
  const std::vector<int32_t> prompt = begun.value()->prompt();
  EXPECT_THAT(s.tokenizer->decode(prompt), testing::EndsWith("<|turn>model\n<turn|> x"));
  EXPECT_NE(prompt.back(), s.tokenizer->find("<turn|>"));
  const Answer answer = s.run(std::move(begun));
  EXPECT_EQ(answer.prompt_tokens, static_cast<int>(prompt.size()));
  EXPECT_EQ(answer.tokens, 12);
  // The same tokens as they are give the same answer, but for the white space that is a plain answer's own.
  EXPECT_EQ(answer.text, s.run(Exchange::raw(s.speaker(), prompt, greedy(12))).text.substr(0, answer.text.size()));
  EXPECT_NE(answer.text, whole);
  const auto counted = Exchange::count(s.speaker(), asking({}, "a"), {}, options);
  EXPECT_EQ(counted.value(), answer.prompt_tokens);
}

TEST(Exchange, WhatEndedAnAnswerIsSaid) {
  const Setting s("mixed");
  AnswerOptions options = greedy(30);
  const std::string whole = s.run(Exchange::chat(s.speaker(), asking({}, "a"), {}, options)).text;
  options.stop = {"no such text", whole.substr(4, 3)};
  const Answer cut = s.run(Exchange::chat(s.speaker(), asking({}, "a"), {}, options));
  EXPECT_EQ(cut.stop, options.stop[1]);
  EXPECT_EQ(cut.finish, Finish::stop);
  options.stop.clear();
  EXPECT_EQ(s.run(Exchange::chat(s.speaker(), asking({}, "a"), {}, options)).stop, "");
}

/** A mask is made anew for each request, and gets the thought's. */
TEST(Exchange, AMaskOfOnesOwn) {
  const Setting s("mixed");
  class Only : public TokenMask {
   public:
    explicit Only(int32_t token) : token_(token) {}
    void fill(std::span<uint32_t> bits) override {
      std::fill(bits.begin(), bits.end(), 0U);
      bits[static_cast<size_t>(token_ / 32)] = 1U << token_ % 32;
    }
    bool accept(int32_t token) override { return token == token_; }
    void rollback(int) override {}
    bool finished() const override { return false; }
    bool free() const override { return false; }

   private:
    int32_t token_;
  };
  AnswerOptions options = greedy(3);
  bool had_budget = true;
  options.mask = [&](std::unique_ptr<TokenMask> budget, int, bool) {
    had_budget = budget != nullptr;
    return std::make_unique<Only>(s.tokenizer->find("x").value());
  };
  EXPECT_EQ(s.run(Exchange::chat(s.speaker(), asking({}, "a"), {}, options)).text, "xxx");
  EXPECT_FALSE(had_budget);
  options.think = true;
  options.think_budget = 5;
  s.run(Exchange::chat(s.speaker(), asking({}, "a"), {}, options));
  EXPECT_TRUE(had_budget);
}

}  // namespace
}  // namespace gemma
