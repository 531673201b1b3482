// SPDX-License-Identifier: Apache-2.0
// The figures of `gemma4 bench` for people and for programs.
#include <fmt/format.h>

#include <algorithm>

#include "gemma4/bench.h"

namespace gemma::app {
namespace {

constexpr double kGiga = 1e9;

Spread rates(const std::vector<BenchRun>& runs, int64_t BenchRun::* tokens, double BenchRun::* seconds) {
  std::vector<double> values;
  values.reserve(runs.size());
  for (const BenchRun& run : runs) values.push_back(static_cast<double>(run.*tokens) / run.*seconds);
  return spread_of(std::move(values));
}

std::string phase_line(std::string_view name, const Spread& rate, const BenchWork& work, double seconds,
                       const cpu::Roofs& roofs) {
  std::string text =
      fmt::format("{:<9} {:8.2f} tok/s ({:.2f} to {:.2f})   {:6.1f} GB/s  {:7.1f} Gop/s", name, rate.median, rate.low,
                  rate.high, work.bytes() / seconds / kGiga, work.ops() / seconds / kGiga);
  if (roofs.measured()) text += fmt::format("   {:3.0f} % of the roof", 100 * least_seconds(work, roofs) / seconds);
  return text + "\n";
}

int64_t whole(double bytes) { return static_cast<int64_t>(bytes); }

std::string load_line(const BenchResult& r) {
  std::string text = fmt::format("Load      {:.2f} s, {} of weights", r.load_seconds, format_bytes(r.load_bytes));
  if (r.copy_speed > 0) {
    text += fmt::format(": {:.1f} GB/s, {:.0f} % of the speed of copying, {:.1f} GB/s", r.load_speed() / kGiga,
                        100 * r.load_speed() / r.copy_speed, r.copy_speed / kGiga);
  }
  return text + "\n";
}

std::string roof_lines(const cpu::Roofs& roofs) {
  if (!roofs.measured()) return {};
  std::string text = fmt::format("Roofs     memory read {:.1f} GB/s ({} with all threads)\n",
                                 roofs.bytes_per_second / kGiga, format_bytes(roofs.read_bytes));
  for (const cpu::Roofs::Operations& o : roofs.operations) {
    text += fmt::format("          {:<7} f32 {:6.0f}  bf16 {:6.0f}  int8 {:6.0f}  int4 {:6.0f} Gop/s\n", o.isa,
                        o.f32 / kGiga, o.bf16 / kGiga, o.int8 / kGiga, o.int4 / kGiga);
  }
  return text;
}

/** `steps`: by which calls and times are divided. */
std::string op_lines(std::string_view title, const std::vector<OpTime>& ops, double seconds, double steps) {
  std::string text = fmt::format("\n{:<17} {:>7} {:>10}\n", title, "calls", "ms");
  double left = seconds;
  for (const OpTime& op : ops) {
    left -= op.seconds;
    text += fmt::format("  {:<15} {:7.0f} {:10.3f}  {:4.1f} %\n", op.name, static_cast<double>(op.calls) / steps,
                        op.seconds / steps * 1e3, 100 * op.seconds / seconds);
  }
  return text + fmt::format("  {:<15} {:7} {:10.3f}  {:4.1f} %\n", "between ops", "", left / steps * 1e3,
                            100 * left / seconds);
}

json::array ops_json(const std::vector<OpTime>& ops, double seconds, double steps) {
  json::array list;
  double left = seconds;
  for (const OpTime& op : ops) {
    left -= op.seconds;
    list.push_back(json::object{{"op", op.name},
                                {"calls", static_cast<double>(op.calls) / steps},
                                {"seconds", op.seconds / steps},
                                {"share", op.seconds / seconds}});
  }
  list.push_back(json::object{{"op", "between ops"}, {"seconds", left / steps}, {"share", left / seconds}});
  return list;
}

json::object to_json(const Spread& s) { return {{"median", s.median}, {"low", s.low}, {"high", s.high}}; }

json::object phase_json(const Spread& rate, const BenchWork& work, double seconds, double tokens,
                        const cpu::Roofs& roofs) {
  json::object out{{"tokens_per_second", to_json(rate)},
                   {"bytes_per_token", work.bytes() / tokens},
                   {"weight_bytes_per_token", (work.weight_bytes + work.row_bytes) / tokens},
                   {"cache_bytes_per_token", work.cache_bytes / tokens},
                   {"ops_per_token", work.ops() / tokens},
                   {"int4_ops_per_token", work.int4_ops / tokens},
                   {"int8_ops_per_token", work.int8_ops / tokens},
                   {"bf16_ops_per_token", work.bf16_ops / tokens},
                   {"f32_ops_per_token", work.f32_ops / tokens},
                   {"gigabytes_per_second", work.bytes() / seconds / kGiga},
                   {"gigaops_per_second", work.ops() / seconds / kGiga}};
  if (roofs.measured()) {
    out["share_of_read_roof"] = work.bytes() / seconds / roofs.bytes_per_second;
    out["share_of_roof"] = least_seconds(work, roofs) / seconds;
  }
  return out;
}

json::object roofs_json(const cpu::Roofs& roofs) {
  json::object operations;
  for (const cpu::Roofs::Operations& o : roofs.operations) {
    operations[o.isa] = json::object{
        {"f32", o.f32 / kGiga}, {"bf16", o.bf16 / kGiga}, {"int8", o.int8 / kGiga}, {"int4", o.int4 / kGiga}};
  }
  return {{"gigabytes_per_second", roofs.bytes_per_second / kGiga},
          {"read_bytes", roofs.read_bytes},
          {"gigaops_per_second", std::move(operations)}};
}

json::array runs_json(const std::vector<BenchRun>& runs) {
  json::array list;
  for (const BenchRun& run : runs) {
    list.push_back(json::object{{"prompt_tokens", run.prompt_tokens},
                                {"prefill_seconds", run.prefill_seconds},
                                {"gen_tokens", run.gen_tokens},
                                {"steps", run.steps},
                                {"decode_seconds", run.decode_seconds}});
  }
  return list;
}

std::string guess_line(const BenchRun& g, double tokens_per_step) {
  if (g.drafted == 0) return {};
  std::string text =
      fmt::format("Guesses   {} checked, {} right, {:.2f} tokens a step", g.drafted, g.accepted, tokens_per_step);
  if (g.drafter_tokens > 0) {
    text += fmt::format("; {} by the drafter, which took {:.0f} % of the time, {:.2f} ms for each", g.drafter_tokens,
                        100 * g.draft_seconds / g.decode_seconds,
                        g.draft_seconds / static_cast<double>(g.drafter_tokens) * 1e3);
  }
  return text + "\n";
}

}  // namespace

Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return {(values[(n - 1) / 2] + values[n / 2]) / 2, values.front(), values.back()};
}

Spread BenchResult::prefill_rate() const { return rates(runs, &BenchRun::prompt_tokens, &BenchRun::prefill_seconds); }
Spread BenchResult::decode_rate() const { return rates(runs, &BenchRun::gen_tokens, &BenchRun::decode_seconds); }
double BenchResult::prefill_seconds() const { return options.prompt / prefill_rate().median; }
double BenchResult::step_seconds() const { return 1 / rates(runs, &BenchRun::steps, &BenchRun::decode_seconds).median; }

double BenchResult::tokens_per_step() const {
  const BenchRun sum = sums();
  return static_cast<double>(sum.gen_tokens) / static_cast<double>(sum.steps);
}

double BenchResult::rows_per_step() const {
  const BenchRun sum = sums();
  return 1 + static_cast<double>(sum.drafted) / (static_cast<double>(sum.steps) * options.batch);
}

BenchRun BenchResult::sums() const {
  BenchRun sum;
  for (const BenchRun& run : runs) {
    sum.gen_tokens += run.gen_tokens;
    sum.steps += run.steps;
    sum.drafted += run.drafted;
    sum.accepted += run.accepted;
    sum.drafter_tokens += run.drafter_tokens;
    sum.draft_seconds += run.draft_seconds;
    sum.decode_seconds += run.decode_seconds;
  }
  return sum;
}

std::string to_text(const BenchResult& r) {
  const BenchOptions& o = r.options;
  const double tokens = r.tokens_per_step();
  std::string text = fmt::format("{}: {}, {} threads, {}, cache {}\n", r.name, format_bytes(r.file_bytes),
                                 o.machine.threads, r.isa, o.kv);
  text += fmt::format("{} sequence{}, prompt {}, answer {}, {} tokens before, {} runs\n\n", o.batch,
                      o.batch == 1 ? "" : "s", o.prompt, o.gen, o.depth, o.repeat);
  text += phase_line("Prefill", r.prefill_rate(), r.prefill, r.prefill_seconds(), r.roofs);
  text += phase_line("Decode", r.decode_rate(), r.decode, r.step_seconds(), r.roofs);
  text += fmt::format("A token   reads {} of weights and {} of the cache, {:.2f} Gop\n",
                      format_bytes(whole((r.decode.weight_bytes + r.decode.row_bytes) / tokens)),
                      format_bytes(whole(r.decode.cache_bytes / tokens)), r.decode.ops() / tokens / kGiga);
  text += guess_line(r.sums(), tokens);
  text += load_line(r);
  text += fmt::format("Memory    {} own ({} of it keys and values), {} of files; peak {} ({} own, {} of files)\n",
                      format_bytes(r.memory.own), format_bytes(r.cache_bytes), format_bytes(r.memory.file),
                      format_bytes(r.memory.peak), format_bytes(r.at_peak.own), format_bytes(r.at_peak.file));
  text += roof_lines(r.roofs);
  if (!o.per_op) return text;
  text += op_lines("Prefill", r.prefill_ops, r.timed_run.prefill_seconds, 1);
  return text +
         op_lines("A step of decode", r.decode_ops, r.timed_run.decode_seconds, static_cast<double>(r.timed_run.steps));
}

json::object to_json(const BenchResult& r) {
  const BenchOptions& o = r.options;
  const double prompt = o.prompt;
  json::object out{{"model", r.name},
                   {"file_bytes", r.file_bytes},
                   {"isa", r.isa},
                   {"threads", o.machine.threads},
                   {"prompt", o.prompt},
                   {"gen", o.gen},
                   {"depth", o.depth},
                   {"batch", o.batch},
                   {"kv", o.kv},
                   {"prefill", phase_json(r.prefill_rate(), r.prefill, r.prefill_seconds(), prompt, r.roofs)},
                   {"decode", phase_json(r.decode_rate(), r.decode, r.step_seconds(), r.tokens_per_step(), r.roofs)},
                   {"load_seconds", r.load_seconds},
                   {"load_bytes", r.load_bytes},
                   {"memory", json::object{{"own_bytes", r.memory.own},
                                           {"file_bytes", r.memory.file},
                                           {"peak_bytes", r.memory.peak},
                                           {"peak_own_bytes", r.at_peak.own},
                                           {"peak_file_bytes", r.at_peak.file},
                                           {"cache_bytes", r.cache_bytes}}},
                   {"runs", runs_json(r.runs)}};
  if (const BenchRun g = r.sums(); g.drafted > 0) {
    out["guesses"] = json::object{{"drafted", g.drafted},
                                  {"accepted", g.accepted},
                                  {"drafter_tokens", g.drafter_tokens},
                                  {"drafter_seconds", g.draft_seconds}};
  }
  if (r.roofs.measured()) out["roofs"] = roofs_json(r.roofs);
  if (r.copy_speed > 0) {
    out["copy_gigabytes_per_second"] = r.copy_speed / kGiga;
    out["load_share_of_copying"] = r.load_speed() / r.copy_speed;
  }
  if (o.per_op) {
    out["prefill_ops"] = ops_json(r.prefill_ops, r.timed_run.prefill_seconds, 1);
    out["decode_ops"] = ops_json(r.decode_ops, r.timed_run.decode_seconds, static_cast<double>(r.timed_run.steps));
  }
  return out;
}

}  // namespace gemma::app
