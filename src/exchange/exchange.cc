// SPDX-License-Identifier: Apache-2.0
#include "exchange/exchange.h"

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <span>
#include <utility>

#include "base/clock.h"
#include "base/keyed_hash.h"
#include "chat/few_shot.h"
#include "engine/thought_budget.h"

namespace gemma {
namespace {

constexpr int kRoomForAnswer = 512;  // tokens, behind a thought

bool is_role(const json::value& message, std::string_view role) {
  const json::object* object = message.if_object();
  const json::value* found = object ? object->if_contains("role") : nullptr;
  return found != nullptr && found->is_string() && found->get_string() == role;
}

size_t next_user(const json::array& messages, size_t at) {
  while (at < messages.size() && !is_role(messages[at], "user")) ++at;
  return at;
}

/** A conversation, and what is left of it without its oldest whole turns (a user's message and all up to the next
 *  one) and their media; system turns stay. */
class Turns {
 public:
  Turns(json::array messages, MediaList media) : messages_(std::move(messages)), media_(std::move(media)) {
    for (size_t at = next_user(messages_, 0); at < messages_.size(); at = next_user(messages_, at + 1)) {
      begin_.push_back(at);
    }
  }

  /** Of which any number may go: the last turn stays. */
  size_t older() const { return begin_.empty() ? 0 : begin_.size() - 1; }

  void without(size_t turns, json::array& messages, MediaList& media) const {
    messages = messages_;
    media = media_;
    if (turns == 0) return;
    const auto at = [](auto& list, size_t i) { return list.begin() + static_cast<std::ptrdiff_t>(i); };
    const size_t first = begin_.front(), next = begin_[turns];
    const size_t kept = std::min(media.size(), media_between(0, first));
    const size_t gone = std::min(media.size() - kept, media_between(first, next));
    media.erase(at(media, kept), at(media, kept + gone));
    messages.erase(at(messages, first), at(messages, next));
  }

 private:
  size_t media_between(size_t first, size_t last) const {
    const auto begin = messages_.begin();
    return media_in(json::array(begin + static_cast<std::ptrdiff_t>(first), begin + static_cast<std::ptrdiff_t>(last)))
        .size();
  }

  json::array messages_;
  MediaList media_;
  std::vector<size_t> begin_;  // of turns
};

/** Whether there is a turn before the last one. */
bool has_older_turn(const json::array& messages) {
  return next_user(messages, next_user(messages, 0) + 1) < messages.size();
}

/** The tokenizer's own, or the config's where it has no pieces of that name. */
MediaIds media_ids(const Tokenizer& tokenizer, const SpecialTokens& special) {
  MediaIds ids = MediaIds::of(tokenizer);
  const auto otherwise = [](int32_t& id, int32_t other) { id = id >= 0 ? id : other; };
  otherwise(ids.image_begin, special.image_begin);
  otherwise(ids.image, special.image);
  otherwise(ids.image_end, special.image_end);
  otherwise(ids.video, special.video);
  otherwise(ids.audio_begin, special.audio_begin);
  otherwise(ids.audio, special.audio);
  otherwise(ids.audio_end, special.audio_end);
  return ids;
}

}  // namespace

struct Exchange::State : std::enable_shared_from_this<Exchange::State> {
  Speaker speaker;
  AnswerOptions options;
  json::array messages;  // empty: raw
  MediaList media;
  bool raw = false;
  std::vector<PromptPiece> pieces;  // of the prompt, where a template made it
  PlacedPrompt prompt;
  std::vector<std::string> stop;
  std::vector<int32_t> generated;
  std::unique_ptr<ChatParser> parser;  // none where the answer is plain text
  struct Held {
    TokenLogprob logprob;
    size_t begin, end;  // of the token's bytes among those of all tokens
  };
  std::deque<Held> held;
  size_t token_bytes = 0, text_bytes = 0;  // of the tokens that have come, and of these what the text has
  bool trim_start = false;                 // the few-shot frame's answers begin with a blank
  Answer answer;
  Sink sink;
  std::function<void()> done;
  Clock::time_point start;
  Ticket ticket = 0;  // of the request on its way
  bool cancelled = false;
  bool in_thought = false;  // the answer's tokens are a thought's just now

  State(const Speaker& s, const AnswerOptions& o, MediaList m)
      : speaker(s), options(o), media(std::move(m)), stop(o.stop) {}

  std::optional<Failure> render_chat() {
    if (!speaker.chat_template) {
      if (!media.empty()) return Failure{"media", "a model without a chat template takes them with --raw only"};
      Result<std::string> text = few_shot_prompt(messages);
      if (!text) return text.failure();
      if (!options.prefill.empty()) text.value() += " " + options.prefill;
      prompt = {speaker.tokenizer.encode(text.value(), Specials::text), {}};
      put_bos();
      return std::nullopt;
    }
    ChatOptions chat;
    chat.enable_thinking = options.think;
    chat.preserve_thinking = options.preserve_thinking;
    auto rendered = ChatFormat(*speaker.chat_template).render(messages, options.tools, chat);
    if (!rendered) return rendered.failure();
    pieces = std::move(rendered).value();
    begin_answer();
    return place(pieces);
  }

  /** As if the model had said it: in one stretch with the text before it, as the tokenizer reads it. */
  void begin_answer() {
    if (options.prefill.empty()) return;
    if (pieces.empty() || pieces.back().control) pieces.emplace_back();
    pieces.back().text += options.prefill;
  }

  std::optional<Failure> render_raw(std::string_view text, Specials specials) {
    std::vector<PromptPiece> all = pieces_of(text, specials), places;
    const bool has_places =
        std::any_of(all.begin(), all.end(), [](const PromptPiece& piece) { return medium_of_place(piece); });
    if (media.empty() && !has_places) {
      prompt = {speaker.tokenizer.encode(text, specials), {}};
    } else {
      if (!has_places) {
        for (const auto& each : media) places.push_back(place_of(each->item.medium));
        all.insert(all.begin(), places.begin(), places.end());
      }
      if (auto failure = place(all)) return failure;
    }
    put_bos();
    return std::nullopt;
  }

  std::optional<Failure> place(const std::vector<PromptPiece>& all) {
    std::vector<MediaItem> items;
    for (const auto& each : media) items.push_back(each->item);
    Result<PlacedPrompt> placed =
        place_media(all, items, media_ids(speaker.tokenizer, speaker.config.special), speaker.tokenizer);
    if (placed) {
      prompt = std::move(placed).value();
      return std::nullopt;
    }
    const auto places = static_cast<size_t>(std::count_if(
        all.begin(), all.end(), [](const PromptPiece& piece) { return medium_of_place(piece).has_value(); }));
    if (places < media.size()) return Failure{media[places]->name, "the prompt's template has no place for it"};
    return placed.failure();
  }

  void put_bos() {
    if (!speaker.tokenizer.add_bos()) return;
    prompt.tokens.insert(prompt.tokens.begin(), speaker.config.special.bos);
    for (PlacedBlock& block : prompt.blocks) ++block.first_row;
  }

  int64_t length() const { return static_cast<int64_t>(prompt.tokens.size() + generated.size()); }

  /** Tokens that prompt and answer may have together. */
  int context() const {
    const int most = speaker.engine.context();
    return options.context > 0 ? std::min(options.context, most) : most;
  }

  Failure too_long() const {
    const std::string_view setter = options.context > 0 ? "the request" : "--context";
    int64_t left = context() - 1 - length();
    for (const auto& each : media) left += each->item.tokens();
    for (const auto& each : media) {
      const int64_t needed = each->item.tokens();
      if (left >= 0 && needed > left) {
        return {each->name, fmt::format("needs {} tokens, and {} are left of the context of {} ({} sets it)", needed,
                                        left, context(), setter)};
      }
      left -= needed;
    }
    return {"prompt", fmt::format("has {} tokens, expected fewer than {} (the context; {} sets it)", length(),
                                  context(), setter)};
  }

  /** Renders the turns, without the oldest ones where they would leave no room for what is still to be answered. That
   *  is room for many tokens also in the middle of an answer: what is left of the prompt is calculated anew each time.
   */
  std::optional<Failure> fit() {
    if (auto failure = render_chat()) return failure;
    if (!has_room() && !options.keep_whole) {
      if (auto failure = drop_turns()) return failure;
    }
    return length() < context() ? std::nullopt : std::optional(too_long());
  }

  bool has_room() const {
    const int wanted = options.max_tokens > 0 ? options.max_tokens - answer.tokens : 256;
    return length() + std::min(wanted, context() / 4) <= context();
  }

  /** As few as leave room, or all but the last. Found by halves: each try reads the whole text. */
  std::optional<Failure> drop_turns() {
    const Turns all(std::move(messages), std::move(media));
    size_t few = 0, enough = all.older(), tried = 0;  // few leave no room, enough do as far as any number does
    const auto render_without = [&](size_t turns) {
      tried = turns;
      all.without(turns, messages, media);
      return render_chat();
    };
    while (few + 1 < enough) {
      const size_t half = few + (enough - few) / 2;
      if (auto failure = render_without(half)) return failure;
      (has_room() ? enough : few) = half;
    }
    if (tried != enough || enough == 0) {
      if (auto failure = render_without(enough)) return failure;
    }
    answer.dropped_turns += static_cast<int>(enough);
    return std::nullopt;
  }

  /** What is kept of a picture is found again under the same salt only. */
  uint64_t salted(uint64_t content) const {
    if (options.salt == 0 || content == 0) return content;
    const std::array<uint64_t, 2> both{content, options.salt};
    return std::max<uint64_t>(1, keyed_hash(std::as_bytes(std::span(both)), process_hash_key()));
  }

  void add_media(Request& request) const {
    for (const PlacedBlock& place : prompt.blocks) {
      const Media& from = *media[place.item];
      const MediaBlock& block = from.item.blocks[place.block];
      request.media.push_back(
          {place.first_row, block.soft_tokens, block.medium != Medium::audio, {}, salted(from.contents[place.block])});
      request.inputs.push_back(from.inputs[place.block]);
    }
  }

  /** Tokens that the whole answer may have. The context is no limit while there are turns that can be left out. */
  int room() const {
    const int asked_for = options.max_tokens > 0 ? options.max_tokens : std::numeric_limits<int>::max();
    if (!raw && !options.keep_whole && has_older_turn(messages)) return asked_for;
    return std::min(asked_for, context() - static_cast<int>(prompt.tokens.size()));
  }

  /** Tokens that a thought may have. Before an answer that must be whole it leaves room for that. */
  int most_thought() const {
    const int most = options.think_budget > 0 ? options.think_budget : std::numeric_limits<int>::max();
    return options.mask ? std::min(most, room() - std::min(kRoomForAnswer, room() / 4 * 3)) : most;
  }

  /** Null where thoughts have no limit. */
  std::unique_ptr<TokenMask> thought_budget() const {
    const auto open = speaker.tokenizer.find("<|channel>"), close = speaker.tokenizer.find("<channel|>");
    if (!options.think || most_thought() == std::numeric_limits<int>::max() || !open || !close) return nullptr;
    return std::make_unique<ThoughtBudget>(most_thought(), *open, *close, begins_in_thought());
  }

  /** Behind a tool's result the template opens the thought itself. */
  bool begins_in_thought() const {
    const auto open = speaker.tokenizer.find("<|channel>"), close = speaker.tokenizer.find("<channel|>");
    const auto last = std::find_if(prompt.tokens.rbegin(), prompt.tokens.rend(),
                                   [&](int32_t id) { return id == open || id == close; });
    return options.think && last != prompt.tokens.rend() && *last == open;
  }

  /** What the engine makes of the answer at most; 0: up to its own context. */
  int most_tokens() const {
    const int wanted = options.max_tokens > 0 ? options.max_tokens - answer.tokens : 0;
    if (context() == speaker.engine.context()) return wanted;
    const int left = context() - static_cast<int>(length());
    return wanted > 0 ? std::min(wanted, left) : left;
  }

  /** Of a smaller context than its own the engine does not know that it is full. */
  Finish reason(Finish said) const {
    const bool all = options.max_tokens > 0 && answer.tokens >= options.max_tokens;
    return said == Finish::length && !all ? Finish::context : said;
  }

  bool submit_now() {
    Request request;
    request.prompt = prompt.tokens;
    request.prompt.insert(request.prompt.end(), generated.begin(), generated.end());
    add_media(request);
    request.sampling = options.sampling;
    request.max_tokens = most_tokens();
    request.stop = stop;
    request.logprobs = options.logprobs;
    request.top_logprobs = options.top_logprobs;
    request.prompt_logprobs = options.prompt_logprobs;
    request.salt = options.salt;
    request.key = options.key;
    if (generated.empty()) request.deadline = options.deadline;
    request.loop_stop = options.loop_stop;
    request.mask = thought_budget();
    if (options.mask) request.mask = options.mask(std::move(request.mask), room(), begins_in_thought());
    if (request.mask) {
      for (const int32_t id : generated) request.mask->accept(id);
    }
    ticket = speaker.engine.submit(std::move(request), [weak = weak_from_this()](const Event& event) {
      if (const auto state = weak.lock()) state->on_event(event);
    });
    return ticket != 0;
  }

  void cancel() {
    if (ticket == 0 || cancelled || answer.finish) return;
    cancelled = true;
    speaker.engine.cancel(ticket);
  }

  void deliver(const std::vector<ChatEvent>& events) {
    for (const ChatEvent& event : events) {
      if (const auto* text = std::get_if<TextDelta>(&event)) answer.text += text->text;
      if (const auto* thought = std::get_if<ThoughtDelta>(&event)) answer.thought += thought->text;
      if (const auto* call = std::get_if<ToolCall>(&event)) answer.tool_calls.push_back(*call);
      if (sink) sink(event);
    }
  }

  void on_text(std::string text) {
    if (trim_start) {
      text.erase(0, std::min(text.size(), text.find_first_not_of(" \n")));
      trim_start = text.empty();
    }
    if (text.empty()) return;
    deliver(parser ? parser->text(text) : std::vector<ChatEvent>{TextDelta{std::move(text)}});
  }

  void on_event(const Event& event) {
    if (event.token >= 0) {
      if (answer.tokens++ == 0) answer.first_token_seconds = seconds_since(start);
      generated.push_back(event.token);
      count_thought(event.token);
      const bool in_text = !in_thought && speaker.tokenizer.kind(event.token) != PieceKind::control;
      if (options.logprobs || options.top_logprobs > 0) hold_logprob(event, in_text);
    }
    release_logprobs(event);
    if (!event.prompt_logprobs.empty()) answer.prompt_logprobs = event.prompt_logprobs;
    answer.reused_tokens = std::max(answer.reused_tokens, static_cast<int>(event.reused));
    on_text(event.text);
    if (event.token >= 0 && parser && speaker.tokenizer.kind(event.token) == PieceKind::control) {
      deliver(parser->control(speaker.tokenizer.piece(event.token)));
    }
    if (event.finish) finish(event);
  }

  void hold_logprob(const Event& event, bool in_text) {
    const bool control = speaker.tokenizer.kind(event.token) == PieceKind::control;
    const size_t begin = token_bytes;
    if (!control) token_bytes += speaker.tokenizer.bytes(event.token).size();
    held.push_back({{event.token, event.logprob, event.top, in_text}, begin, token_bytes});
  }

  /** They come with their text: those of what may be a stop string wait as it does, and go with it. */
  void release_logprobs(const Event& event) {
    text_bytes = std::min(token_bytes, text_bytes + event.text.size());  // less where bytes are no UTF-8
    const bool all = stop.empty() || (event.finish && event.stop.empty());
    while (!held.empty()) {
      const Held& first = held.front();
      if (!all && first.end > text_bytes && !(event.finish && first.begin < text_bytes)) break;
      answer.logprobs.push_back(first.logprob);
      held.pop_front();
    }
    if (!event.finish) return;
    held.clear();
    text_bytes = token_bytes;
  }

  void count_thought(int32_t token) {
    const bool control = parser && speaker.tokenizer.kind(token) == PieceKind::control;
    const std::string_view piece = control ? speaker.tokenizer.piece(token) : std::string_view();
    if (piece == "<|channel>") in_thought = true;
    answer.thought_tokens += in_thought;
    if (piece == "<channel|>") in_thought = false;
  }

  void finish(const Event& event) {
    answer.drafted += event.drafted;
    answer.accepted += event.accepted;
    const Finish reason = this->reason(*event.finish);
    const bool full = reason == Finish::context && !raw && !options.keep_whole && !cancelled;
    if (full && !fit() && submit_now()) return;  // the answer goes on with fewer turns before it
    if (parser) deliver(parser->finish());
    answer.finish = reason;
    answer.error = event.error;
    if (std::find(options.stop.begin(), options.stop.end(), event.stop) != options.stop.end()) answer.stop = event.stop;
    answer.seconds = seconds_since(start);
    if (done) done();
  }
};

Exchange::Exchange() = default;
Exchange::~Exchange() {
  if (state_ != nullptr) state_->cancel();
}
const Answer& Exchange::answer() const { return state_->answer; }
const std::vector<int32_t>& Exchange::prompt() const { return state_->prompt.tokens; }

Result<std::unique_ptr<Exchange>> Exchange::chat(const Speaker& speaker, const json::array& messages, MediaList media,
                                                 const AnswerOptions& options) {
  std::unique_ptr<Exchange> exchange(new Exchange);
  exchange->state_ = std::make_shared<State>(speaker, options, std::move(media));
  State& state = *exchange->state_;
  state.messages = messages;
  if (const auto failure = state.fit()) return *failure;
  if (speaker.chat_template) {
    constexpr auto kControls = ChatParser::Controls::left_out;
    state.parser = std::make_unique<ChatParser>(*speaker.chat_template, state.pieces, kControls);
    if (options.mask && !options.tools.empty()) state.parser->give_calls_in_pieces();  // the mask holds them
    state.in_thought = state.begins_in_thought();
  } else {
    state.trim_start = options.prefill.empty();
    // What keeps to a mask ends by it; JSON may have empty lines.
    if (!options.mask) state.stop.insert(state.stop.end(), few_shot_stops().begin(), few_shot_stops().end());
  }
  state.answer.prompt_tokens = static_cast<int>(state.prompt.tokens.size());
  return exchange;
}

Result<int64_t> Exchange::count(const Speaker& speaker, const json::array& messages, MediaList media,
                                const AnswerOptions& options) {
  const auto state = std::make_shared<State>(speaker, options, std::move(media));
  state->messages = messages;
  if (auto failure = state->render_chat()) return *failure;
  return state->length();
}

Result<std::unique_ptr<Exchange>> Exchange::raw(const Speaker& speaker, std::string_view text, Specials specials,
                                                MediaList media, const AnswerOptions& options) {
  std::unique_ptr<Exchange> exchange(new Exchange);
  exchange->state_ = std::make_shared<State>(speaker, options, std::move(media));
  State& state = *exchange->state_;
  state.raw = true;
  if (const auto failure = state.render_raw(text, specials)) return *failure;
  if (state.prompt.tokens.empty()) {
    return Failure{"prompt", "is empty, and this model's tokenizer puts nothing before it"};
  }
  if (state.length() >= state.context()) return state.too_long();
  state.answer.prompt_tokens = static_cast<int>(state.prompt.tokens.size());
  return exchange;
}

Result<std::unique_ptr<Exchange>> Exchange::raw(const Speaker& speaker, std::vector<int32_t> tokens,
                                                const AnswerOptions& options) {
  if (tokens.empty()) return Failure{"prompt", "has no tokens"};
  std::unique_ptr<Exchange> exchange(new Exchange);
  exchange->state_ = std::make_shared<State>(speaker, options, MediaList());
  State& state = *exchange->state_;
  state.raw = true;
  state.prompt = {std::move(tokens), {}};
  if (state.length() >= state.context()) return state.too_long();
  state.answer.prompt_tokens = static_cast<int>(state.prompt.tokens.size());
  return exchange;
}

bool Exchange::submit(Sink sink, std::function<void()> done) {
  state_->sink = std::move(sink);
  state_->done = std::move(done);
  state_->start = Clock::now();
  return state_->submit_now();
}

void Exchange::cancel() { state_->cancel(); }

}  // namespace gemma
