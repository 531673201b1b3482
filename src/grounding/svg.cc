// SPDX-License-Identifier: Apache-2.0
#include "grounding/drawing.h"

#include "base/base64.h"

namespace gemma::grounding {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

std::string hex(const Colour& c) { return fmt::format("#{:02x}{:02x}{:02x}", c.red, c.green, c.blue); }

std::string shape(const Place& place, double line, std::string_view colour) {
  const auto stroked = [&](double width, std::string_view stroke) {
    if (place.point) {
      return fmt::format(
          R"(<circle cx="{:.1f}" cy="{:.1f}" r="{:.1f}" fill="none" stroke="{}" stroke-width="{:.1f}"/>)", place.left,
          place.top, 2.5 * line, stroke, width);
    }
    return fmt::format(
        R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="none" stroke="{}" stroke-width="{:.1f}"/>)",
        place.left, place.top, place.right - place.left, place.bottom - place.top, stroke, width);
  };
  return stroked(2 * line, "#000") + "\n" + stroked(line, colour) + "\n";
}

}  // namespace

std::string svg(const Drawing& drawing, const Embedded& picture) {
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\">\n"
      "<image width=\"{0}\" height=\"{1}\" preserveAspectRatio=\"none\" href=\"data:{2};base64,{3}\"/>\n",
      drawing.width, drawing.height, picture.type, base64(picture.bytes));
  for (const DrawnPlace& each : drawing.places) out += shape(each.place, drawing.line, hex(each.colour));
  for (const DrawnPlace& each : drawing.places) {
    if (each.text.empty()) continue;
    const Box& box = each.label;
    const double padding = drawing.font / 4;
    out += fmt::format(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}"/>)", box.left, box.top,
                       box.width, box.height, hex(each.colour));
    out += fmt::format(
        "\n<text x=\"{:.1f}\" y=\"{:.1f}\" font-family=\"sans-serif\" font-size=\"{:.1f}\" fill=\"{}\" "
        "textLength=\"{:.1f}\" lengthAdjust=\"spacingAndGlyphs\">{}</text>\n",
        box.left + padding, box.top + drawing.font * 1.05, drawing.font, hex(each.ink), box.width - 2 * padding,
        escaped(each.text));
  }
  return out + "</svg>\n";
}

}  // namespace gemma::grounding
