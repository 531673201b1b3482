// SPDX-License-Identifier: Apache-2.0
#include "serve/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace gemma::serve {
namespace {

constexpr std::array<double, 13> kBounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120};

/** As a label's value is written. */
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
    if (c == '\n') out.replace(out.size() - 1, 1, "\\n");
  }
  return out;
}

template <class T>
void write_one(std::string& out, const char* type, const char* name, const char* help, T value) {
  fmt::format_to(std::back_inserter(out), "# HELP gemma4_{0} {1}\n# TYPE gemma4_{0} {2}\ngemma4_{0} {3}\n", name, help,
                 type, value);
}

/** One line for each model. */
template <class Get>
void write_each(std::string& out, const char* type, const char* name, const char* help,
                const std::vector<ModelState>& models, Get get) {
  fmt::format_to(std::back_inserter(out), "# HELP gemma4_{0} {1}\n# TYPE gemma4_{0} {2}\n", name, help, type);
  for (const ModelState& model : models) {
    fmt::format_to(std::back_inserter(out), "gemma4_{}{{model=\"{}\"}} {}\n", name, escaped(model.card.name),
                   get(model));
  }
}

}  // namespace

void Metrics::Histogram::add(double value) {
  for (size_t i = 0; i < kBounds.size(); ++i) counts[i] += value <= kBounds[i];
  ++counts.back();
  sum += value;
}

void Metrics::write(std::string& out, const char* name, const char* help, const Histogram& histogram) {
  fmt::format_to(std::back_inserter(out), "# HELP gemma4_{0} {1}\n# TYPE gemma4_{0} histogram\n", name, help);
  for (size_t i = 0; i < kBounds.size(); ++i) {
    fmt::format_to(std::back_inserter(out), "gemma4_{}_bucket{{le=\"{}\"}} {}\n", name, kBounds[i],
                   histogram.counts[i]);
  }
  fmt::format_to(std::back_inserter(out),
                 "gemma4_{0}_bucket{{le=\"+Inf\"}} {1}\ngemma4_{0}_sum {2}\ngemma4_{0}_count {1}\n", name,
                 histogram.counts.back(), histogram.sum);
}

void Metrics::request(const std::string& path, int status, double seconds) {
  const std::lock_guard lock(mutex_);
  ++requests_[{path, status}];
  request_seconds_.add(seconds);
}

void Metrics::answer(const Answer& answer) {
  const std::lock_guard lock(mutex_);
  ++finishes_[std::string(answer.finish ? name_of(*answer.finish) : "cancelled")];
  if (answer.tokens == 0) return;
  first_token_seconds_.add(answer.first_token_seconds);
  if (answer.tokens > 1) token_seconds_.add((answer.seconds - answer.first_token_seconds) / (answer.tokens - 1));
}

bool Metrics::grammar(const std::shared_ptr<const Grammar>& grammar) {
  const std::lock_guard lock(mutex_);
  std::erase_if(grammars_, [](const auto& each) { return each.expired(); });
  const bool is_new = grammars_.insert(grammar).second;
  if (is_new) grammar_seconds_.add(grammar->seconds());
  if (!is_new) ++grammars_found_;
  return is_new;
}

std::string Metrics::text(const EngineStats& stats, const DecodedMedia::Stats& media, CacheBytes cache, int connections,
                          int64_t lost_lines, const std::vector<ModelState>& models) const {
  const std::lock_guard lock(mutex_);
  std::string out;
  out +=
      "# HELP gemma4_http_requests_total Requests that have been answered.\n# TYPE gemma4_http_requests_total "
      "counter\n";
  for (const auto& [what, count] : requests_) {
    fmt::format_to(std::back_inserter(out), "gemma4_http_requests_total{{path=\"{}\",status=\"{}\"}} {}\n", what.first,
                   what.second, count);
  }
  out += "# HELP gemma4_answers_total Answers by why they ended.\n# TYPE gemma4_answers_total counter\n";
  for (const auto& [why, count] : finishes_) {
    fmt::format_to(std::back_inserter(out), "gemma4_answers_total{{finish=\"{}\"}} {}\n", why, count);
  }
  write(out, "http_request_seconds", "From a request to the end of its answer.", request_seconds_);
  write(out, "first_token_seconds", "From a prompt to the first token of its answer.", first_token_seconds_);
  write(out, "token_seconds", "Mean time between an answer's tokens.", token_seconds_);
  write(out, "grammar_compile_seconds", "Time in which a schema, tools or rules were compiled.", grammar_seconds_);
  write_one(out, "counter", "grammars_found_total", "Schemas, tools and rules that had been compiled before.",
            grammars_found_);
  write_one(out, "counter", "prompt_tokens_total", "Tokens of prompts that were read.", stats.prompt_tokens);
  write_one(out, "counter", "reused_tokens_total", "Tokens of prompts that were known from before.",
            stats.reused_tokens);
  write_one(out, "counter", "restored_tokens_total", "Of these, those that were known from disk.",
            stats.restored_tokens);
  write_one(out, "counter", "generated_tokens_total", "Tokens of answers.", stats.generated_tokens);
  write_one(out, "counter", "drafted_tokens_total", "Guessed tokens that were checked.", stats.drafted_tokens);
  write_one(out, "counter", "accepted_tokens_total", "Guessed tokens that were right.", stats.accepted_tokens);
  write_one(out, "counter", "steps_total", "Steps of the engine.", stats.steps);
  write_one(out, "counter", "preemptions_total", "Answers that gave up their memory and began again.",
            stats.preemptions);
  write_one(out, "counter", "media_encoded_total", "Pictures, frames and clips that were encoded.",
            stats.media_encoded);
  write_one(out, "counter", "media_found_total", "Pictures, frames and clips that were known from before.",
            stats.media_found);
  write_one(out, "counter", "files_decoded_total", "Pictures, sounds and films that were decoded.", media.added);
  write_one(out, "counter", "files_found_total", "The same that had been decoded before.", media.found);
  write_one(out, "gauge", "decoded_bytes", "Decoded pictures, sounds and films that are kept.", media.bytes);
  write_one(out, "counter", "prompt_seconds_total", "Time in which prompts were read.", stats.prompt_seconds);
  write_one(out, "counter", "generate_seconds_total", "Time in which answers were made.", stats.generate_seconds);
  write_one(out, "gauge", "cache_bytes", "Keys and values that are held.", cache.held);
  write_one(out, "gauge", "cache_disk_bytes", "Keys and values that are kept on disk.", cache.on_disk);
  write_one(out, "gauge", "answers_waiting",
            "Answers that have not begun: it is not their turn, or their prompt is read.", waiting_.load());
  write_one(out, "gauge", "connections", "Connections that are open.", connections);
  write_one(out, "counter", "log_lines_lost_total", "Lines of the log that nobody took in time.", lost_lines);
  write_each(out, "gauge", "model_loaded", "Whether a model is loaded.", models,
             [](const ModelState& model) { return model.loaded ? 1 : 0; });
  write_each(out, "gauge", "model_bytes", "What a model takes at least, while it is loaded.", models,
             [](const ModelState& model) { return model.bytes; });
  write_each(out, "counter", "model_loads_total", "How often a model was loaded.", models,
             [](const ModelState& model) { return model.loads; });
  write_each(out, "counter", "model_unloads_total", "How often a model was unloaded.", models,
             [](const ModelState& model) { return model.unloads; });
  return out;
}

}  // namespace gemma::serve
