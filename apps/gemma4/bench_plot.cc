// SPDX-License-Identifier: Apache-2.0
// The roofline as a picture: operations per second over operations per byte, both in powers of ten. What may be reached
// lies under the slope of the memory and under the flat roof of the instructions.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/file.h"
#include "gemma4/bench.h"

namespace gemma::app {
namespace {

constexpr double kWidth = 760, kHeight = 480, kLeft = 70, kRight = 20, kTop = 50, kBottom = 55;
constexpr double kGiga = 1e9;

/** A decimal logarithm on an axis of the picture. */
struct Axis {
  double low, high;      // exponents
  double begin, length;  // on the page; a negative length goes up
  double at(double value) const { return begin + (std::log10(value) - low) / (high - low) * length; }
};

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  }
  return out;
}

class Plot {
 public:
  explicit Plot(const BenchResult& r) : r_(r) {
    const cpu::Roofs::Operations& o = r.roofs.operations.front();
    const std::array points{intensity(r.prefill), intensity(r.decode)};
    const double most = std::max({o.int4, o.int8, o.bf16, o.f32}) / kGiga;
    const double crossing = most * kGiga / r.roofs.bytes_per_second;  // where slope and flat roof meet
    x_.low = std::floor(std::log10(std::min({points[0], points[1], 1.0})));
    x_.high = std::ceil(std::log10(std::max({points[0], points[1], crossing}) * 1.5));
    const double least = std::min(rate(r.prefill, r.prefill_seconds()), rate(r.decode, r.step_seconds()));
    y_.low = std::floor(std::log10(std::min(least, 1.0)));
    y_.high = std::ceil(std::log10(most * 1.2));
  }

  std::string svg() {
    text_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        kWidth, kHeight);
    label(kLeft, 24, "start",
          fmt::format("{}: {} threads, {}, prompt {}, answer {}, depth {}, {} at once", r_.name,
                      r_.options.machine.threads, r_.isa, r_.options.prompt, r_.options.gen, r_.options.depth,
                      r_.options.batch));
    grid();
    roofs();
    point("prefill", r_.prefill, r_.prefill_seconds(), r_.prefill_rate().median);
    point("decode", r_.decode, r_.step_seconds(), r_.decode_rate().median);
    return text_ + "</svg>\n";
  }

 private:
  static double intensity(const BenchWork& w) { return w.ops() / w.bytes(); }
  static double rate(const BenchWork& w, double seconds) { return w.ops() / seconds / kGiga; }

  void line(double x1, double y1, double x2, double y2, std::string_view style) {
    text_ += fmt::format("<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\" fill=\"none\" {}/>\n", x1, y1, x2, y2, style);
  }

  void label(double x, double y, std::string_view anchor, std::string_view text) {
    text_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, escaped(text));
  }

  void grid() {
    constexpr std::string_view kStyle = "stroke=\"#ddd\"";
    for (double e = x_.low; e <= x_.high; ++e) {
      const double x = x_.at(std::pow(10, e));
      line(x, kTop, x, kHeight - kBottom, kStyle);
      label(x, kHeight - kBottom + 18, "middle", fmt::format("{:g}", std::pow(10, e)));
    }
    for (double e = y_.low; e <= y_.high; ++e) {
      const double y = y_.at(std::pow(10, e));
      line(kLeft, y, kWidth - kRight, y, kStyle);
      label(kLeft - 8, y + 4, "end", fmt::format("{:g}", std::pow(10, e)));
    }
    label((kLeft + kWidth - kRight) / 2, kHeight - 14, "middle", "operations per byte read");
    label(kLeft, kTop - 10, "middle", "Gop/s");
  }

  void roofs() {
    const double memory = r_.roofs.bytes_per_second / kGiga;
    const cpu::Roofs::Operations& o = r_.roofs.operations.front();
    const double left = std::max(std::pow(10, x_.low), std::pow(10, y_.low) / memory);
    const double crossing = std::max({o.int4, o.int8, o.bf16, o.f32}) / kGiga / memory;
    line(x_.at(left), y_.at(left * memory), x_.at(crossing), y_.at(crossing * memory),
         "stroke=\"#2060a0\" stroke-width=\"2\"");
    const double middle = std::sqrt(left * crossing);
    label(x_.at(middle) - 8, y_.at(middle * memory) - 8, "end", fmt::format("memory {:.1f} GB/s", memory));
    for (const auto& [name, ops] : {std::pair{"f32", o.f32}, {"bf16", o.bf16}, {"int8", o.int8}, {"int4", o.int4}}) {
      const double y = y_.at(ops / kGiga);
      line(x_.at(ops / kGiga / memory), y, kWidth - kRight, y, "stroke=\"#2060a0\" stroke-width=\"2\"");
      label(kWidth - kRight - 4, y - 6, "end", fmt::format("{} {:.0f} Gop/s", name, ops / kGiga));
    }
  }

  void point(std::string_view name, const BenchWork& work, double seconds, double tokens) {
    const double x = x_.at(intensity(work)), y = y_.at(rate(work, seconds));
    text_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\" fill=\"#c04020\"/>\n", x, y);
    const bool right = x < kWidth / 2;
    label(right ? x + 9 : x - 9, y + 16, right ? "start" : "end",
          fmt::format("{} {:.1f} tok/s, {:.0f} %", name, tokens, 100 * least_seconds(work, r_.roofs) / seconds));
  }

  const BenchResult& r_;
  Axis x_{0, 1, kLeft, kWidth - kLeft - kRight}, y_{0, 1, kHeight - kBottom, -(kHeight - kTop - kBottom)};
  std::string text_;
};

}  // namespace

void write_roofline(const BenchResult& result, const std::string& path) {
  AtomicFile file(path);
  file.write(Plot(result).svg());
  file.commit();
}

}  // namespace gemma::app
