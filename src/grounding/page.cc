// SPDX-License-Identifier: Apache-2.0
#include "grounding/page.h"

#include <algorithm>
#include <cctype>
#include <optional>

namespace gemma::grounding {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool is_html(std::string_view language) {
  return language == "html" || language == "xhtml" || language == "xml" || language == "svg";
}

/** The fence that is HTML by its name, else the longest. */
std::optional<std::string_view> fenced(std::string_view answer) {
  constexpr std::string_view kFence = "```";
  std::optional<std::string_view> best;
  for (size_t at = answer.find(kFence); at != std::string_view::npos; at = answer.find(kFence, at)) {
    const size_t line = answer.find('\n', at);
    if (line == std::string_view::npos) break;
    const std::string name = lower(answer.substr(at + kFence.size(), line - at - kFence.size()));
    const size_t end = answer.find("\n```", line);
    const size_t begin = line + 1, stop = end == std::string_view::npos ? answer.size() : end + 1;
    const std::string_view body = answer.substr(begin, stop - begin);
    if (is_html(name.substr(0, name.find_first_of(" \r\t")))) return body;
    if (!best || body.size() > best->size()) best = body;
    if (end == std::string_view::npos) break;
    at = end + 1 + kFence.size();
  }
  return best;
}

}  // namespace

std::string page_of(std::string_view answer) {
  if (const auto body = fenced(answer)) return std::string(*body);
  const std::string text = lower(answer);
  const size_t begin = std::min(text.find("<!doctype"), text.find("<html"));
  if (begin == std::string::npos) return std::string(answer);
  constexpr std::string_view kEnd = "</html>";
  const size_t end = text.rfind(kEnd);
  const bool whole = end != std::string::npos && end > begin;
  return std::string(answer.substr(begin, whole ? end + kEnd.size() - begin : std::string::npos));
}

}  // namespace gemma::grounding
