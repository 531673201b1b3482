// SPDX-License-Identifier: Apache-2.0
#include "gemma4/perplexity_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/memory.h"

namespace gemma::app {
namespace {

template <class... Args>
void line(std::string& out, std::string_view label, fmt::format_string<Args...> what, Args&&... args) {
  out += fmt::format("{:<13}{}\n", label, fmt::format(what, std::forward<Args>(args)...));
}

std::string settings(const MeasuredSide& side) {
  if (side.dtype.empty()) return side.model;
  return fmt::format("{} ({}, cache {})", side.model, side.dtype == "f32" ? "all in f32" : "as it runs", side.kv);
}

void perplexity_lines(std::string& out, const Summary& s, const Mean& nll) {
  line(out, "nll", "{:.4f} ± {:.4f} a token", nll.value(), nll.error());
  line(out, "perplexity", "{:.4f} ± {:.4f}", Summary::perplexity(nll), Summary::perplexity_error(nll));
  line(out, "bits a byte", "{:.4f}", s.bits_per_byte(nll));
}

json::object numbers(const Summary& s, const Mean& nll) {
  return {{"nll", nll.value()},
          {"nll_error", nll.error()},
          {"perplexity", Summary::perplexity(nll)},
          {"perplexity_error", Summary::perplexity_error(nll)},
          {"bits_per_byte", s.bits_per_byte(nll)}};
}

json::object of_mean(const Mean& mean) { return {{"mean", mean.value()}, {"error", mean.error()}}; }

void add_side(json::object& out, const MeasuredSide& side) {
  out["model"] = side.model;
  if (side.dtype.empty()) return;
  out["dtype"] = side.dtype;
  out["kv"] = side.kv;
}

}  // namespace

std::string PerplexityReport::for_people() const {
  const Summary& s = measured.summary;
  std::string out;
  const WindowOptions& w = plan->options;
  line(out, "text", "{}: {}, {} tokens, {} of them counted (windows of {}, every {}, from row {} of each)", text,
       format_bytes(text_bytes), plan->tokens.size(), s.nll.count(), w.context, w.stride, w.skip);
  line(out, "model", "{}", settings(side));
  perplexity_lines(out, s, s.nll);
  if (!reference) return out;
  line(out, "reference", "{}{}", settings(*reference), kept > 0 ? fmt::format(" (best {} logits)", kept) : "");
  perplexity_lines(out, s, s.reference_nll);
  line(out, "nll change", "{:+.5f} ± {:.5f} a token", s.nll_change.value(), s.nll_change.error());
  const std::vector<double> kl = s.sorted_kl();
  line(out, "KL", "mean {:.3e} ± {:.1e}, median {:.3e}, 99 % {:.3e}, largest {:.3e}", s.kl.value(), s.kl.error(),
       quantile(kl, 0.5), quantile(kl, 0.99), quantile(kl, 1));
  line(out, "same top-1", "{:.3f} ± {:.3f} %", 100 * s.same_top.value(), 100 * s.same_top.error());
  line(out, "Δ p", "{:+.4f} ± {:.4f} %, root mean square {:.4f} %", 100 * s.probability_change.value(),
       100 * s.probability_change.error(), 100 * s.probability_change.root_mean_square());
  return out;
}

json::object PerplexityReport::for_programs() const {
  const Summary& s = measured.summary;
  json::object out;
  add_side(out, side);
  const WindowOptions& w = plan->options;
  out["text"] = {{"path", text}, {"bytes", text_bytes}, {"tokens", plan->tokens.size()}};
  out["windows"] = {{"count", plan->windows.size()}, {"context", w.context}, {"skip", w.skip}, {"stride", w.stride}};
  out["counted"] = {{"tokens", s.nll.count()}, {"bytes", s.bytes}};
  out["complete"] = measured.whole;
  out["seconds"] = seconds;
  for (const auto& [key, value] : numbers(s, s.nll)) out[key] = value;
  if (!reference) return out;
  json::object against;
  add_side(against, *reference);
  if (kept > 0) against["kept_logits"] = kept;
  for (const auto& [key, value] : numbers(s, s.reference_nll)) against[key] = value;
  out["reference"] = std::move(against);
  out["nll_change"] = of_mean(s.nll_change);
  const std::vector<double> kl = s.sorted_kl();
  out["kl"] = {{"mean", s.kl.value()},
               {"error", s.kl.error()},
               {"median", quantile(kl, 0.5)},
               {"p99", quantile(kl, 0.99)},
               {"max", quantile(kl, 1)}};
  out["same_top"] = of_mean(s.same_top);
  out["probability_change"] = of_mean(s.probability_change);
  out["probability_change"].as_object()["root_mean_square"] = s.probability_change.root_mean_square();
  return out;
}

}  // namespace gemma::app
