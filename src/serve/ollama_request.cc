// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iterator>
#include <limits>
#include <utility>

#include "chat/template_value.h"
#include "serve/base64.h"
#include "serve/fields.h"
#include "serve/ollama.h"
#include "serve/sampling_fields.h"
#include "serve/turns.h"

namespace gemma::serve {
namespace {

constexpr int kMostTopLogprobs = 20;
constexpr std::string_view kBos = "<bos>";

/** Pictures in base64, before the words of their message. */
void read_images(Fields& fields, Turns& turns) {
  const json::array* images = fields.list("images");
  for (size_t i = 0; images != nullptr && i < images->size(); ++i) {
    const std::string where = fmt::format("{}[{}]", fields.name_of("images"), i);
    const json::string* text = (*images)[i].if_string();
    if (text == nullptr) return fields.fail(Failure{where, "expected the file itself, in base64"});
    const std::string_view given(*text);
    const bool url = given.starts_with("data:");
    auto bytes = base64_decoded(url ? given.substr(std::min(given.size(), given.find(',') + 1)) : given);
    if (!bytes) return fields.fail(Failure{where, "expected the file itself, in base64"});
    turns.media({media::Kind::image, where, std::move(*bytes), 0});
  }
}

/** Messages: calls have no ids of their own, results come in their order or with their names. */
class Reader {
 public:
  Result<OllamaConversation> run(const json::array& messages) {
    if (messages.size() > kMostMessages) return too_many_messages("messages", messages.size());
    std::string where;
    for (size_t i = 0; i < messages.size() && !turns_.failed(); ++i) {
      where = fmt::format("messages[{}]", i);
      const json::object* object = messages[i].if_object();
      if (object == nullptr) {
        return Failure{where, fmt::format("expected an object, found {}", kind_of(&messages[i]))};
      }
      Fields fields(*object, where);
      message(fields, where);
      if (auto failure = fields.failure()) turns_.fail(std::move(*failure));
    }
    OllamaConversation out;
    out.begun = turns_.take_begun_answer();
    auto conversation = turns_.finish(where);
    if (!conversation) return conversation.failure();
    out.messages = std::move(conversation.value().messages);
    out.media = std::move(conversation.value().media);
    return out;
  }

 private:
  struct Call {
    std::string id, name;
  };

  void message(Fields& fields, const std::string& where) {
    const auto role = fields.word("role", {"system", "user", "assistant", "tool"});
    if (!role) return fields.fail("role", "is missing");
    if (*role == "tool") {
      result(fields, where);
    } else {
      turns_.speak(*role, where);
    }
    const auto thought = fields.text("thinking");
    if (*role == "assistant") turns_.thought(thought.value_or(""));
    if (*role != "assistant" && thought && !thought->empty()) fields.fail("thinking", "is for turns of the assistant");
    const json::value* images = fields.any("images");
    if (*role == "user" || *role == "tool") {
      read_images(fields, turns_);
    } else if (images != nullptr && *images != json::array()) {
      fields.fail("images", "pictures are for turns of the user and of tools");
    }
    turns_.text(fields.text("content").value_or(""));
    const json::array* calls = fields.list("tool_calls");
    if (calls == nullptr || calls->empty()) return;
    if (*role != "assistant") return fields.fail("tool_calls", "are for turns of the assistant");
    for (size_t i = 0; i < calls->size(); ++i) {
      call((*calls)[i], fmt::format("{}.tool_calls[{}]", where, i));
    }
  }

  void call(const json::value& value, const std::string& where) {
    const json::object* object = value.if_object();
    if (object == nullptr) return turns_.fail({where, "expected an object"});
    Fields fields(*object, where);
    const auto id = fields.text("id");
    fields.word("type", {"function"});
    const json::object* function = fields.object("function");
    if (function == nullptr) fields.fail("function", "is missing");
    if (auto failure = fields.failure()) return turns_.fail(std::move(*failure));
    Fields inside(*function, where + ".function");
    const auto name = inside.text("name");
    if (!name) inside.fail("name", "is missing");
    inside.integer("index", 0, int64_t{1} << 31);
    const json::object* arguments = inside.object("arguments");
    if (auto failure = inside.failure()) return turns_.fail(std::move(*failure));
    calls_.push_back({id ? *id : fmt::format("call_{}", count_++), *name});
    turns_.call(calls_.back().id, *name, arguments != nullptr ? *arguments : json::object(), where);
  }

  void result(Fields& fields, const std::string& where) {
    const auto id = fields.text("tool_call_id"), name = fields.text("tool_name"), other = fields.text("name");
    const auto found = std::find_if(calls_.begin(), calls_.end(), [&](const Call& call) {
      return id ? call.id == *id : name ? call.name == *name : !other || call.name == *other;
    });
    if (found == calls_.end()) return turns_.fail({where, "no tool call before it waits for this result"});
    turns_.result(found->id, where);
    calls_.erase(found);
  }

  Turns turns_;
  std::vector<Call> calls_;  // that wait for results
  int count_ = 0;
};

void read_options(Fields& fields, Ask& ask, const ModelFacts& model) {
  AnswerOptions& answer = ask.answer;
  const json::object none;
  const json::object* given = fields.object("options");
  Fields inside(given != nullptr ? *given : none, "options");
  read_sampling(inside, answer.sampling, model.vocab);
  if (const auto penalty = inside.number("repeat_penalty", 0.01, 100)) {
    answer.sampling.repetition_penalty = static_cast<float>(*penalty);
  }
  answer.stop = read_stops(inside);
  const int context = model.context;
  const auto most = inside.integer("num_predict", -2, std::numeric_limits<int>::max()).value_or(0);
  answer.max_tokens = static_cast<int>(std::clamp<int64_t>(most, 0, context));
  const auto own = inside.integer("num_ctx", 1, int64_t{1} << 31).value_or(0);
  if (own > context) {
    inside.fail("num_ctx", fmt::format("expected at most {}, the context of this server (--context sets it), found {}",
                                       context, own));
  }
  answer.context = static_cast<int>(std::min<int64_t>(own, context));
  inside.unsupported("repeat_last_n", "expected -1: penalties count all of the prompt and the answer", {-1});
  inside.unsupported("typical_p", "is not supported, expected 1", {1, 1.0});
  inside.unsupported("tfs_z", "is not supported, expected 1", {1, 1.0});
  inside.unsupported("mirostat", "is not supported, expected 0", {0});
  for (const char* key : {"mirostat_tau", "mirostat_eta"}) inside.unsupported(key, "is not supported");
  inside.unsupported("penalize_newline", "is not supported, expected true", {true});
  inside.unsupported("num_keep", "is not supported: of a conversation that is too long the oldest turns go");
  for (const char* key : {"numa", "num_batch", "num_gpu", "main_gpu", "low_vram", "f16_kv", "logits_all", "vocab_only",
                          "use_mmap", "use_mlock", "embedding_only", "num_thread"}) {
    inside.unsupported(key, "is set when the server starts");
  }
  if (auto failure = inside.failure()) fields.fail(std::move(*failure));
}

/** true, false, or how long. */
void read_think(Fields& fields, AnswerOptions& answer, const ModelFacts& model) {
  const json::value* think = fields.any("think");
  if (think == nullptr || *think == false) return;
  answer.think = true;
  if (*think == "low" || *think == "medium") {
    answer.think_budget = thought_budget(think->get_string());
  } else if (*think != true && *think != "high") {
    return fields.fail("think", "expected true, false, \"low\", \"medium\" or \"high\", found " + write_json(*think));
  }
  if (!model.thinks) fields.fail("think", fmt::format("the model '{}' does not think", model.name));
}

std::optional<Constraint> read_format(Fields& fields) {
  const json::value* format = fields.any("format");
  if (format == nullptr || *format == "") return std::nullopt;
  if (*format == "json") return AnyJsonObject{};
  if (format->is_object()) return JsonSchema{*format, "format"};
  fields.fail("format", "expected \"json\" or a schema");
  return std::nullopt;
}

/** Seconds of a duration as Go writes it: "1h30m", "-1s", "0"; nothing where it is none. */
std::optional<double> seconds_of(std::string_view text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {{"ns", 1e-9}, {"us", 1e-6}, {"µs", 1e-6}, {"ms", 1e-3},
                                                            {"s", 1},     {"m", 60},    {"h", 3600}};
  const bool minus = text.starts_with('-');
  if (minus || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  double seconds = 0;
  while (!text.empty()) {
    const size_t digits = std::min(text.size(), text.find_first_not_of("0123456789."));
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number, std::chars_format::fixed);
    if (error != std::errc() || end != text.data() + digits) return std::nullopt;
    text.remove_prefix(digits);
    const auto unit = std::ranges::find_if(kUnits, [&](const auto& each) { return text.starts_with(each.first); });
    if (unit == std::end(kUnits)) return std::nullopt;
    text.remove_prefix(unit->first.size());
    seconds += number * unit->second;
  }
  return minus ? -seconds : seconds;
}

std::optional<Clock::duration> read_keep_alive(Fields& fields) {
  constexpr double kForEver = 366 * 24 * 3600;  // seconds, from which on nobody waits for the end
  const json::value* given = fields.any("keep_alive");
  if (given == nullptr) return std::nullopt;
  std::optional<double> seconds;
  if (given->is_string()) seconds = seconds_of(given->get_string());
  if (given->is_number()) seconds = given->to_number<double>();
  if (!seconds) {
    fields.fail("keep_alive", fmt::format("expected seconds, or a duration as \"5m\", found {}", write_json(*given)));
    return std::nullopt;
  }
  if (*seconds < 0 || *seconds > kForEver) return Clock::duration::max();
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(*seconds));
}

/** What both ways have. */
void read_common(Fields& fields, OllamaRequest& request, const ModelFacts& model) {
  Ask& ask = request.ask;
  fields.text("model");
  ask.answer.sampling = model.sampling;
  ask.answer.loop_stop = false;
  read_options(fields, ask, model);
  read_think(fields, ask.answer, model);
  ask.constraint = read_format(fields);
  if (ask.constraint && !ask.answer.stop.empty()) {
    fields.fail("options.stop", "an answer that is JSON ends where the JSON does");
  }
  request.stream = fields.flag("stream").value_or(true);
  const bool truncate = fields.flag("truncate").value_or(true);
  ask.answer.keep_whole = !truncate;
  if (fields.flag("shift").value_or(truncate) != truncate) fields.fail("shift", "expected what \"truncate\" says");
  ask.answer.logprobs = fields.flag("logprobs").value_or(false);
  const auto top = fields.integer("top_logprobs", 0, kMostTopLogprobs).value_or(0);
  ask.answer.top_logprobs = static_cast<int>(top);
  if (top > 0 && !ask.answer.logprobs) fields.fail("top_logprobs", "needs \"logprobs\": true");
  request.keep_alive = read_keep_alive(fields);
  request.idle = request.keep_alive == Clock::duration::zero() ? "unload" : "load";
}

std::optional<Failure> take(Ask& ask, Result<OllamaConversation> conversation, const std::string& where) {
  if (!conversation) return conversation.failure();
  ask.messages = std::move(conversation.value().messages);
  ask.media = std::move(conversation.value().media);
  ask.answer.prefill = std::move(conversation.value().begun);
  if (ask.answer.prefill.empty() || !(ask.answer.think || ask.constraint)) return std::nullopt;
  return Failure{where, "the beginning of an answer cannot be given together with thinking or a format"};
}

Result<OllamaRequest> read_chat(const json::object& body, const ModelFacts& model) {
  Fields fields(body);
  OllamaRequest request;
  read_common(fields, request, model);
  if (const json::array* tools = fields.list("tools"); tools != nullptr && !tools->empty()) {
    auto read = read_tools(*tools, "tools");
    if (read) request.ask.answer.tools = std::move(read).value();
    if (!read) fields.fail(read.failure());
    if (!model.tools) fields.fail("tools", fmt::format("the model '{}' does not know of tools", model.name));
  }
  const json::array* messages = fields.list("messages");
  if (auto failure = fields.failure()) return *failure;
  if (messages == nullptr || messages->empty()) return request;
  request.idle.clear();
  const std::string last = fmt::format("messages[{}]", messages->size() - 1);
  if (auto failure = take(request.ask, read_ollama_messages(*messages), last)) return *failure;
  return request;
}

/** A prompt as one message of the user's, or, "raw", as it is. */
Result<OllamaRequest> read_generate(const json::object& body, const ModelFacts& model) {
  Fields fields(body);
  OllamaRequest request;
  request.way = OllamaWay::generate;
  Ask& ask = request.ask;
  read_common(fields, request, model);
  const auto prompt = fields.text("prompt"), system = fields.text("system");
  const bool raw = fields.flag("raw").value_or(false);
  fields.unsupported("suffix", "is not supported: this model fills no gaps", {""});
  fields.unsupported("template", "is not supported: the model has its own", {""});
  fields.unsupported("context", "is not supported: use /api/chat", {json::array()});
  for (const char* key : {"width", "height", "steps"}) fields.unsupported(key, "this model makes no pictures", {0});
  if (raw && system && !system->empty()) fields.fail("system", "a raw prompt has none");
  if (raw && ask.answer.think) fields.fail("think", "a raw prompt says itself how to think");
  Turns turns;
  if (system && !system->empty() && !raw) {
    turns.speak("system", "system");
    turns.text(*system);
  }
  turns.speak("user", "prompt");
  read_images(fields, turns);
  turns.text(prompt.value_or(""));
  if (auto failure = fields.failure()) return *failure;
  const json::value* images = body.if_contains("images");
  const bool pictures = images != nullptr && images->is_array() && !images->get_array().empty();
  if (prompt.value_or("").empty() && !pictures) return request;
  request.idle.clear();
  auto conversation = turns.finish("prompt");
  if (!conversation) return conversation.failure();
  ask.media = std::move(conversation.value().media);
  if (raw) {
    // The tokenizer puts it there; templates written out by clients often have it, too.
    const bool twice = model.adds_bos && prompt->starts_with(kBos);
    ask.prompts.push_back({prompt->substr(twice ? kBos.size() : 0), {}, Specials::control});
  } else {
    ask.messages = std::move(conversation.value().messages);
  }
  return request;
}

}  // namespace

Result<OllamaConversation> read_ollama_messages(const json::array& messages) { return Reader().run(messages); }

Result<OllamaRequest> read_ollama_request(const json::object& body, const ModelFacts& model, OllamaWay way) {
  return way == OllamaWay::chat ? read_chat(body, model) : read_generate(body, model);
}

}  // namespace gemma::serve
