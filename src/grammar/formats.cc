// SPDX-License-Identifier: Apache-2.0
#include "grammar/formats.h"

#include <map>
#include <string>

#include "base/error.h"

namespace gemma {
namespace {

using Formats = std::map<std::string, std::string, std::less<>>;

std::string group(std::initializer_list<std::string_view> arms) {
  std::string out = "(?:";
  for (const std::string_view arm : arms) out += (out.back() == ':' ? "" : "|") + std::string(arm);
  return out + ")";
}

const std::string kByte = R"((?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d))";
const std::string kIpv4 = fmt::format(R"({0}(?:\.{0}){{3}})", kByte);
const std::string kLabel = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,38}[A-Za-z0-9])?";
const std::string kHost = fmt::format(R"({0}(?:\.{0}){{0,5}})", kLabel);

/** Of days only such as there are. */
std::string date() {
  const std::string leap = R"((?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)";
  return group({R"(\d{4}-(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01]))", R"(\d{4}-(?:0[469]|11)-(?:0[1-9]|[12]\d|30))",
                R"(\d{4}-02-(?:0[1-9]|1\d|2[0-8]))", leap});
}

std::string time() { return R"((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d))"; }

std::string duration() {
  const std::string clock = R"((?:T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S)))";
  const std::string days = R"((?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D))";
  return fmt::format("P(?:\\d+W|{}{}?|{})", days, clock, clock);
}

std::string email() {
  const std::string_view atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
  return fmt::format(R"({0}(?:\.{0})*@{1})", atom, kHost);
}

std::string ipv6() {
  const std::string_view h = "[0-9A-Fa-f]{1,4}";
  std::string out =
      fmt::format("(?:{0}:){{7}}{0}|(?:{0}:){{1,7}}:|:(?::{0}){{1,7}}|::|(?:{0}:){{6}}{1}|::[Ff]{{4}}:{1}", h, kIpv4);
  for (int before = 1; before <= 6; ++before) {
    out += fmt::format("|(?:{0}:){{1,{1}}}(?::{0}){{1,{2}}}", h, before, 7 - before);
  }
  return group({out});
}

const std::string kMark = "A-Za-z0-9._~!$&'()*+,;=@\\-", kEscaped = "%[0-9A-Fa-f]{2}";
const std::string kLetter = fmt::format("(?:[{}:]|{})", kMark, kEscaped);
const std::string kQuery = fmt::format(R"((?:\?(?:[{0}:/?]|{1})*)?(?:#(?:[{0}:/?]|{1})*)?)", kMark, kEscaped);
const std::string kAuthority = fmt::format(R"(//(?:(?:[A-Za-z0-9._~-]+@)?{}(?::\d{{1,5}})?)?)", kHost);

std::string uri() {
  const std::string path = fmt::format("{0}(?:/{1}*)*|/(?:{1}+(?:/{1}*)*)?|{1}+(?:/{1}*)*", kAuthority, kLetter);
  return fmt::format("[A-Za-z][A-Za-z0-9+.-]*:(?:{}){}", path, kQuery);
}

std::string uri_reference() {
  const std::string first = fmt::format("(?:[{}]|{})", kMark, kEscaped);  // no colon: it would be a scheme
  const std::string path =
      fmt::format("{0}(?:/{1}*)*|/(?:{1}+(?:/{1}*)*)?|{2}+(?:/{1}*)*|", kAuthority, kLetter, first);
  return fmt::format("(?:{}|(?:{}){})", uri(), path, kQuery);
}

std::string uri_template() {
  const std::string name = "(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})+";
  const std::string variable = fmt::format(R"({0}(?:\.{0})*(?::[1-9]\d{{0,3}}|\*)?)", name);
  return fmt::format(R"((?:[A-Za-z0-9._~!$&()*+,;=:@/?#-]|{}|\{{[+#./;?&]?{}(?:,{})*\}})*)", kEscaped, variable,
                     variable);
}

Formats formats() {
  const std::string pointer = "(?:/(?:[^/~]|~[01])*)*";
  return {{"date", date()},
          {"time", time()},
          {"date-time", date() + "T" + time()},
          {"duration", duration()},
          {"email", email()},
          {"hostname", kHost},
          {"ipv4", kIpv4},
          {"ipv6", ipv6()},
          {"uuid", "[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"},
          {"uri", uri()},
          {"uri-reference", uri_reference()},
          {"uri-template", uri_template()},
          {"json-pointer", pointer},
          {"relative-json-pointer", fmt::format("(?:0|[1-9]\\d*)(?:#|{})", pointer)}};
}

}  // namespace

std::string_view format_pattern(std::string_view format) {
  static const Formats all = formats();
  const auto found = all.find(format);
  return found == all.end() ? std::string_view() : found->second;
}

}  // namespace gemma
