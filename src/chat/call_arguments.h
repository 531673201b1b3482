// SPDX-License-Identifier: Apache-2.0
// Arguments of a tool call as Gemma 4's models write them: JSON whose strings stand between <|"|> tokens and whose keys
// need no quotes. Ordinary JSON is a special case.
//
//   CallArguments arguments;
//   arguments.text("{city:");                     // as it comes, cut anywhere
//   arguments.control("<|\"|>");
//   arguments.text("Par");
//   arguments.take_json();                        // {"city": "Par
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace gemma {

inline constexpr std::string_view kQuote = "<|\"|>";

/** What stands between "call:NAME" and "<tool_call|>", from the brace on. */
class CallArguments {
 public:
  void text(std::string_view bytes);
  void control(std::string_view piece);

  /** JSON of what has come since this was asked for last: whole characters of strings, all else when it is whole. All
   *  together it is what write_json() makes of the arguments, but that a name which comes twice stands there twice. */
  std::string take_json() { return std::exchange(json_, {}); }
  /** nullopt when it is not one object and nothing behind it. Integers of any size are kept (base/json.h). */
  std::optional<json::object> take() &&;

 private:
  /** value, name: one must come, or_end: or the end of the list or object; then what is being read; then what comes
   *  behind it; over: nothing more; nothing: it is malformed. */
  enum class Expects : uint8_t {
    value,
    value_or_end,
    name,
    name_or_end,
    word,     // a number, true, false, null
    bare,     // a name without quotes
    literal,  // a text in JSON's own quotes
    quoted,   // a text between <|"|>
    colon,
    separator,
    over,
    nothing,
  };
  struct Level {
    json::value values;  // a list or an object
    std::string name;    // of the object's member that is being read
  };

  void read(char c);
  void read_literal(char c);
  void read_quoted(std::string_view bytes);
  void begin_value(char c);
  void begin_name(char c);
  void begin_text(Expects how);
  void end_quoted();
  void end_word();
  void end_name(std::string_view name);
  void separate(char c);
  void say_text(size_t end);
  void next_in_list();
  void close(char c);
  void add(json::value value);

  Expects expects_ = Expects::value;
  bool is_name_ = false;     // the text that is being read
  bool escaped_ = false;     // a backslash stands before what comes
  std::string read_;         // of the word, name or text that is being read
  size_t said_ = 0;          // bytes of these that json_ has got
  std::vector<Level> open_;  // lists and objects, from the outermost
  json::value whole_;
  std::string json_;
};

}  // namespace gemma
