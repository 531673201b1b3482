// SPDX-License-Identifier: Apache-2.0
#include "gemma4/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <random>

#include "base/file.h"
#include "gemma4/cache_types.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/kept_cache.h"
#include "gemma4/local_model.h"
#include "gemma4/schema.h"
#include "gemma4/settings.h"
#include "gemma4/standard_input.h"
#include "gemma4/terminal.h"

namespace gemma::app {
namespace {

constexpr const char* kExamples = R"(Examples:
  gemma4 run model.gguf                           talk with a model
  gemma4 run model.gguf "Why is the sky blue?"    one answer on stdout, nothing else there
  git diff | gemma4 run -m model.gguf --system "Write a commit message."
  gemma4 run model.gguf --think 512 "How many primes are below 60?"
  gemma4 run model.gguf --json --temperature 0 "Name a colour."
  gemma4 run model.gguf --jsonl prompts.jsonl > answers.jsonl
  gemma4 run model.gguf --raw "Once upon a time"
  gemma4 run model-folder --image bike.jpg "What is wrong with this bike?"
  gemma4 run model.gguf --mmproj encoders.gguf --audio talk.mp3 --image slide.png "Does the slide say the same?"
  gemma4 run model.gguf --schema '{"type":"array","items":{"type":"string"}}' "Name three colours."
  gemma4 run model.gguf --draft drafter.gguf "Write a bubble sort in C."
  gemma4 run model.gguf --cache-dir prompts "$(cat report.txt) Who wrote this?"    asked again, it is not read again

MODEL is a .gguf file, a .safetensors file or a Hugging Face folder; without it --model, the environment variable
GEMMA4_MODEL or `model` in ~/.config/gemma4/config.toml says which. That file may also set system, template,
temperature, top_k, top_p, min_p, seed, max_tokens, context, kv, threads, memory and think.
Exit status: 0 done, 1 an error, 2 wrong usage, 130 stopped by Ctrl-C.)";

constexpr int kMostWords = 1000;  // that are read; more than two are an error that says what is expected

/** Options as the command line gives them, before defaults of the model are known. */
struct Given {
  std::vector<std::string> words;
  std::string model, prompt_file, tools_file, kv, context_full = "drop";
  std::optional<std::string> schema;
  std::optional<double> temperature, top_p, min_p;
  std::optional<int64_t> top_k, seed, max_tokens, context;
  MachineOptions machine;
  KeptCacheOptions kept_cache;
  std::optional<std::string> think;  // "": no limit
  std::vector<std::string> bias;
  bool greedy = false, no_loop_stop = false;
};

bool names_a_model(const std::string& word) {
  std::error_code error;
  return word.ends_with(".gguf") || word.ends_with(".safetensors") || std::filesystem::exists(word, error) ||
         is_hub_name(word);
}

bool is_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);  // no number of tokens, and no prompt
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/** Of --think N. */
int thought_tokens(const std::string& text) {
  if (const std::string fault = whole(0, kTokenLimit)(std::string(text)); !fault.empty()) {
    fail_usage_message("--think", fault);
  }
  return std::stoi(text);
}

/** [MODEL] [PROMPT]: two words are both; one is a model where it names a file, else a prompt. What follows --think and
 * is no number is a word, too. */
void take_words(const Given& given, RunOptions& options) {
  auto words = given.words;
  if (given.think && !given.think->empty() && !is_number(*given.think)) words.push_back(*given.think);
  std::string model = given.model;
  size_t next = 0;
  if (std::any_of(words.begin(), words.end(), [](const std::string& word) { return word.empty(); })) {
    fail_usage("run", "expected [MODEL] [PROMPT], found an empty word");
  }
  for (const std::string& word : words) {
    const std::optional<Medium> kind = kind_of_file(word);
    if (kind) fail_usage("run", "'{}' is neither a model nor a prompt: --{} {} shows it", word, name_of(*kind), word);
  }
  if (!words.empty() && model.empty() && (words.size() == 2 || names_a_model(words[0]))) model = words[next++];
  if (next < words.size()) options.prompt = words[next++];
  if (next < words.size()) {
    fail_usage("run", "unexpected '{}': one prompt, in quotes", words[next]);
  }
  options.session.model = model;
}

std::map<int32_t, float> parse_bias(const std::vector<std::string>& entries) {
  std::map<int32_t, float> bias;
  for (const std::string& entry : entries) {
    const char* end = entry.data() + entry.size();
    int32_t id = 0;
    float value = 0;
    const auto [equals, no_id] = std::from_chars(entry.data(), end, id);
    const bool named = no_id == std::errc() && id >= 0 && equals != end && *equals == '=';
    const auto [last, no_value] = named ? std::from_chars(equals + 1, end, value) : std::from_chars_result{};
    if (!named || no_value != std::errc() || last != end || !std::isfinite(value)) {
      fail_usage("--logit-bias", "expected ID=VALUE, found '{}'", entry);
    }
    bias[id] = value;
  }
  return bias;
}

/** Sampling: the command line, else config.toml, else what the checkpoint recommends; greedy in the few-shot frame,
 * where a base model wanders off otherwise. */
Sampling sampling_of(const Given& given, const Settings& settings, const Session& session, bool raw) {
  const GenerationDefaults& defaults = session.model->config.generation_defaults;
  Sampling s;
  if (defaults.temperature) s.temperature = *defaults.temperature;
  if (defaults.top_k) s.top_k = *defaults.top_k;
  if (defaults.top_p) s.top_p = *defaults.top_p;
  if (!session.chat_template && !raw) s.temperature = 0;
  const auto choose = [](auto& field, const auto& from_file, const auto& from_line) {
    using T = std::remove_reference_t<decltype(field)>;
    if (from_file) field = static_cast<T>(*from_file);
    if (from_line) field = static_cast<T>(*from_line);
  };
  choose(s.temperature, settings.temperature, given.temperature);
  choose(s.top_p, settings.top_p, given.top_p);
  choose(s.min_p, settings.min_p, given.min_p);
  choose(s.top_k, settings.top_k, given.top_k);
  s.seed = (uint64_t{std::random_device{}()} << 32 | std::random_device{}()) >> 11;  // JSON numbers hold it exactly
  choose(s.seed, settings.seed, given.seed);
  if (given.greedy) s.temperature = 0;
  return s;
}

void take_settings(const Settings& settings, const Given& given, RunOptions& options) {
  const auto choose = [](const auto& from_line, const auto& from_file, int64_t otherwise) {
    return static_cast<int>(from_line ? *from_line : from_file ? *from_file : otherwise);
  };
  if (options.system.empty()) options.system = settings.system.value_or("");
  options.session.context = static_cast<int>(given.context.value_or(0));
  options.session.machine = given.machine;
  take_defaults(options.session, settings, given.kv);
  options.answer.max_tokens = choose(given.max_tokens, settings.max_tokens, 0);
  options.answer.think = given.think.has_value() || settings.think.has_value();
  const bool limited = given.think && is_number(*given.think);
  options.answer.think_budget = limited       ? thought_tokens(*given.think)
                                : given.think ? 0
                                              : choose(settings.think, settings.think, 0);
  options.answer.loop_stop = !given.no_loop_stop;
  options.answer.keep_whole = given.context_full == "stop";
}

std::unique_ptr<Session> open_session(const RunOptions& options, ModelFiles files) {
  const InterruptGuard::AtOnce nothing_to_lose;
  return Session::open(options.session, std::move(files), Senses::of(options.media));
}

json::array read_tools(const std::string& file) {
  json::value tools = parse_json_or_fail(file, read_file(file));
  if (!tools.is_array()) fail(file, "expected a JSON array of tool declarations");
  return std::move(tools.get_array());
}

int run(const Given& given, RunOptions options) {
  const InterruptGuard guard;
  const Settings settings = load_settings();
  take_words(given, options);
  take_settings(settings, given, options);
  take_machine_options(options.session.machine, "config.toml");
  if (options.session.model.empty()) {
    fail("run", "no model: name one (gemma4 run MODEL), or set GEMMA4_MODEL, or `model` in config.toml");
  }
  cache_types("--kv", options.session.kv);  // said before a model is loaded
  options.session.cache_folder = open_cache_folder(given.kept_cache, [](const std::string& line) { note(line); });
  const auto bias = parse_bias(given.bias);
  if (speculation_length(options.session.speculate) == 0 && !options.session.drafter.empty()) {
    fail_usage("--draft", "has nothing to do with --speculate off");
  }
  if (!given.tools_file.empty()) options.answer.tools = read_tools(given.tools_file);
  if (given.schema && !options.answer.stop.empty()) {
    fail_usage("--stop", "an answer of a --schema ends where its JSON does, nowhere else");
  }
  const json::value schema = given.schema ? read_schema(*given.schema) : json::value();
  if (options.prompt.empty() && !given.prompt_file.empty()) options.prompt = read_file(given.prompt_file);
  const bool many = !options.jsonl.empty();
  const bool takes_stdin = std::any_of(options.inputs.files.begin(), options.inputs.files.end(),
                                       [](const MediaFile& file) { return file.path == "-"; });
  if (takes_stdin && options.prompt.empty()) fail_usage("run", "no prompt: stdin is a picture, sound or film");
  if (many && !options.inputs.files.empty()) {
    fail_usage("--jsonl", "a line names its own pictures, sound and films: no --image, --audio, --video");
  }
  if (takes_stdin && options.prompt == "-") fail_usage("-", "standard input is one file");
  if (many && !(options.prompt.empty() && given.prompt_file.empty())) {
    fail_usage("--jsonl", "its lines are the prompts: no other beside them, found '{}'",
               given.prompt_file.empty() ? options.prompt : given.prompt_file);
  }
  if (options.prompt == "-" || (options.prompt.empty() && !many && !is_terminal(STDIN_FILENO))) {
    options.prompt = read_standard_input();
    if (options.prompt.empty()) fail("run", "no prompt: stdin is empty");
  }
  const bool talk = options.prompt.empty() && !many;
  if (talk && (options.raw || options.json)) {
    fail_usage("run", "--raw and --json need a prompt");
  }
  options.session.max_sequences = many ? 8 : 1;
  options.session.shows_later = talk;
  ModelFiles files = ModelFiles::open(options.session);
  options.media =
      MediaReader(files, options.inputs.settings).read_all(options.inputs.files, most_tokens(options.session, files));
  const auto session = open_session(options, std::move(files));
  if (!options.answer.tools.empty() && (!session->chat_template || *session->chat_template == Template::gemma3)) {
    fail("--tools", "the chat template of {} has no place for tools", options.session.model);
  }
  if (given.schema) hold_to_schema(options.answer, *session, schema, Fence::none);
  Sampling sampling = sampling_of(given, settings, *session, options.raw);
  sampling.repetition_penalty = options.answer.sampling.repetition_penalty;
  sampling.presence_penalty = options.answer.sampling.presence_penalty;
  sampling.frequency_penalty = options.answer.sampling.frequency_penalty;
  sampling.bias = bias;
  options.answer.sampling = sampling;
  return talk ? run_chat(*session, options) : many ? run_jsonl(*session, options) : run_once(*session, options);
}

void add_sampling_options(CLI::App& command, Given& given, RunOptions& options) {
  Sampling& s = options.answer.sampling;
  const char* group = "Sampling";
  command.add_option("--temperature", given.temperature, "Randomness; 0 is greedy (default: the checkpoint's, else 1)")
      ->check(in_range(0.0, 100.0))
      ->group(group);
  command.add_flag("--greedy", given.greedy, "Always the likeliest token")->group(group);
  command
      .add_option("--top-k", given.top_k, "Only the k likeliest tokens; 0: all (default: the checkpoint's, else 64)")
      ->check(whole(0, kTokenLimit))
      ->group(group);
  command
      .add_option("--top-p", given.top_p,
                  "Only the likeliest tokens that sum to p (default: the checkpoint's, else 0.95)")
      ->check(in_range(0.0, 1.0))
      ->group(group);
  command.add_option("--min-p", given.min_p, "Only tokens with this share of the likeliest one's probability")
      ->check(in_range(0.0, 1.0))
      ->group(group);
  command.add_option("--seed", given.seed, "Same seed, same text")->check(seeds())->group(group);
  command.add_option("--repetition-penalty", s.repetition_penalty, "Makes tokens seen before less likely; 1: off")
      ->check(in_range(0.001, 1000.0))
      ->group(group);
  command.add_option("--presence-penalty", s.presence_penalty, "Subtracted from logits of tokens seen before")
      ->check(in_range(-1000.0, 1000.0))
      ->group(group);
  command.add_option("--frequency-penalty", s.frequency_penalty, "The same, for each time seen")
      ->check(in_range(-1000.0, 1000.0))
      ->group(group);
  command.add_option("--logit-bias", given.bias, "ID=VALUE added to a token's logit; may be repeated")
      ->allow_extra_args(false)
      ->group(group);
  command.add_option("--stop", options.answer.stop, "A text that ends the answer; may be repeated")
      ->allow_extra_args(false)
      ->group(group);
  command.add_flag("--no-loop-stop", given.no_loop_stop, "Go on when the answer repeats itself")->group(group);
  command.add_option("--logprobs", options.answer.top_logprobs, "With --json: log-probabilities, with N alternatives")
      ->check(whole(0, 20))
      ->group(group);
}

}  // namespace

void add_run(CLI::App& app) {
  CLI::App* command = app.add_subcommand("run", "Answer a prompt, or talk in the terminal");
  command->footer(kExamples);
  auto given = std::make_shared<Given>();
  auto options = std::make_shared<RunOptions>();
  command->add_option("words", given->words, "A model's file or folder, and the prompt ('-': from stdin)")
      ->option_text("[MODEL] [PROMPT]")
      ->expected(0, kMostWords);
  command->add_option("-m,--model", given->model, "The model's file or folder")->check(not_empty());
  command->add_option("-f,--file", given->prompt_file, "The prompt from a file")->check(not_empty());
  command
      ->add_option("--mmproj", options->session.mmproj,
                   "The encoders of pictures and sound, where they are a file apart")
      ->check(not_empty())
      ->type_name("FILE");
  add_media_inputs(*command, options->inputs);
  add_hearing_options(*command, options->session.hearing);
  add_encoder_cache_option(*command, options->session.encoder_cache);
  command->add_option("-s,--system", options->system, "The system turn");
  command->add_option("--think", given->think, "Think before answering, at most N tokens (0 or none: no limit)")
      ->expected(0, 1)
      ->option_text("[N]");
  command->add_option("--schema", given->schema, "The answer is JSON that fits this JSON schema: a file, or {...}")
      ->check(not_empty());
  command->add_option("--tools", given->tools_file, "JSON file with tool declarations; calls are printed, not run")
      ->check(not_empty());
  command->add_option("-n,--max-tokens", given->max_tokens, "At most so many tokens in the answer")->check(tokens());
  command->add_flag("--raw", options->raw, "Plain completion: no template, no frame");
  command->add_flag("--control-tokens", options->control_specials,
                    "With --raw: '<bos>' and the like in the prompt are tokens");
  command->add_flag("--json", options->json, "One JSON object with text, thought, calls, counts and times");
  command
      ->add_option("--jsonl", options->jsonl,
                   "Many prompts: a JSON string, {\"prompt\"} or {\"messages\"} a line ('-': stdin)")
      ->check(not_empty());
  command->add_option("--template", options->session.chat_template, "Chat template instead of the model's own")
      ->check(CLI::IsMember({"edge", "large", "gemma3"}));
  command->add_option("-c,--context", given->context, "Tokens of prompt and answer together (default: what fits)")
      ->check(tokens());
  command->add_option("--kv", given->kv, kCacheTypesHelp)->default_str(options->session.kv);
  add_kept_cache_options(*command, given->kept_cache);
  command->add_option("--context-full", given->context_full, "drop: leave out the oldest turns; stop: end the answer")
      ->check(CLI::IsMember({"drop", "stop"}))
      ->capture_default_str();
  add_machine_options(*command, given->machine);
  command
      ->add_option("--speculate", options->session.speculate,
                   "Tokens guessed ahead: auto, off, or how many at once; the text is the same, only faster")
      ->capture_default_str();
  command->add_option("--draft", options->session.drafter, "A drafter made for the model guesses, too: its file")
      ->check(not_empty());
  command->add_flag("-q,--quiet", options->quiet, "No status line");
  add_sampling_options(*command, *given, *options);
  command->callback([given, options] { set_exit_status(run(*given, *options)); });
}

}  // namespace gemma::app
