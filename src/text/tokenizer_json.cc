// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_json.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>

#include "base/error.h"

namespace gemma {
namespace {

constexpr size_t kDepth = 64;
constexpr size_t kMostLetters = size_t{1} << 31;  // offsets are 32 bits

/** Hears the parser, and keeps three things apart by where it is: model.vocab, model.merges, the rest. */
class Listener {
 public:
  static constexpr size_t max_object_size = json::object::max_size();
  static constexpr size_t max_array_size = json::array::max_size();
  static constexpr size_t max_key_size = json::string::max_size();
  static constexpr size_t max_string_size = json::string::max_size();
  using Code = boost::system::error_code;
  using Text = json::string_view;

  explicit Listener(std::string_view where) : where_(where) { stack_.reset(); }

  TokenizerJson release() {
    result_.rest = stack_.release();
    return std::move(result_);
  }

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }

  bool on_object_begin(Code&) {
    if (place_ == Place::vocab || place_ == Place::merges || place_ == Place::merge) unexpected("an object");
    if (next_ == Place::vocab) return enter(Place::vocab);
    if (next_ == Place::merges) unexpected("an object");
    ++depth_;
    return true;
  }
  bool on_object_end(size_t n, Code&) {
    if (place_ == Place::vocab) return leave(Place::rest);
    stack_.push_object(n);
    --depth_;
    if (depth_ == 1) in_model_ = false;
    return true;
  }
  bool on_array_begin(Code&) {
    if (place_ == Place::merges) return part_ = 0, enter(Place::merge);
    if (place_ == Place::vocab || place_ == Place::merge || next_ == Place::vocab) unexpected("an array");
    if (next_ == Place::merges) return enter(Place::merges);
    ++depth_;
    return true;
  }
  bool on_array_end(size_t n, Code&) {
    if (place_ == Place::merge) {
      if (part_ != 2) fail_merge(fmt::format("a list of {}", part_));
      result_.merges.add(left_, word_);
      return leave(Place::merges);
    }
    if (place_ == Place::merges) return leave(Place::rest);
    stack_.push_array(n);
    --depth_;
    return true;
  }

  bool on_key_part(Text part, size_t, Code&) {
    if (place_ == Place::vocab) return letters(part);
    key_.append(part.data(), part.size());
    stack_.push_chars(part);
    return true;
  }
  bool on_key(Text part, size_t, Code&) {
    if (place_ == Place::vocab) return letters(part);
    key_.append(part.data(), part.size());
    stack_.push_key(part);
    if (depth_ == 1) in_model_ = key_ == "model";
    if (depth_ == 2 && in_model_ && key_ == "vocab") announce(Place::vocab, vocabs_);
    if (depth_ == 2 && in_model_ && key_ == "merges") announce(Place::merges, merges_);
    key_.clear();
    return true;
  }

  bool on_string_part(Text part, size_t, Code&) {
    if (place_ != Place::rest) return word(part);
    stack_.push_chars(part);
    return true;
  }
  bool on_string(Text part, size_t, Code&) {
    if (place_ == Place::vocab || next_ != Place::rest) unexpected("a string");
    if (place_ == Place::rest) return stack_.push_string(part), true;
    word(part);
    word_done_ = true;
    if (place_ == Place::merges) {
      merge_of_one_string();
    } else if (++part_ == 1) {
      left_.swap(word_);
    }
    return true;
  }

  bool on_number_part(Text, Code&) { return true; }
  bool on_int64(int64_t value, Text, Code&) {
    if (place_ == Place::vocab) return piece(value);
    return plain("a number", [&] { stack_.push_int64(value); });
  }
  bool on_uint64(uint64_t value, Text, Code&) {
    return plain("a number", [&] { stack_.push_uint64(value); });
  }
  bool on_double(double value, Text, Code&) {
    return plain("a number that is no integer", [&] { stack_.push_double(value); });
  }
  bool on_bool(bool value, Code&) {
    return plain("a boolean", [&] { stack_.push_bool(value); });
  }
  bool on_null(Code&) {
    return plain("null", [&] { stack_.push_null(); });
  }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }

 private:
  enum class Place : uint8_t { rest, vocab, merges, merge };

  bool enter(Place place) {
    place_ = place;
    next_ = Place::rest;
    return true;
  }
  bool leave(Place to) {
    place_ = to;
    if (to == Place::rest) stack_.push_null();
    return true;
  }
  void announce(Place place, int& count) {
    if (++count > 1) fail(where_, "model.{} is there twice", key_);
    next_ = place;
  }
  template <class Push>
  bool plain(std::string_view what, Push push) {
    if (place_ != Place::rest || next_ != Place::rest) unexpected(what);
    push();
    return true;
  }
  [[noreturn]] void unexpected(std::string_view found) const {
    if (place_ == Place::vocab) {
      fail(where_, "model.vocab: expected an id for each piece, found {} for {}", found,
           shown(std::string_view(result_.letters).substr(letters_done_)));
    }
    if (place_ == Place::rest) {
      fail(where_, "model.{}: expected {}, found {}", next_ == Place::vocab ? "vocab" : "merges",
           next_ == Place::vocab ? "an object of pieces and ids" : "a list", found);
    }
    fail_merge(found);
  }
  [[noreturn]] void fail_merge(std::string_view found) const {
    fail(where_, "model.merges[{}]: expected two pieces, found {}", result_.merges.entries.size(), found);
  }

  bool letters(Text part) {
    result_.letters.append(part.data(), part.size());
    return true;
  }
  bool piece(int64_t id) {
    if (result_.letters.size() > kMostLetters) fail(where_, "model.vocab: more than {} bytes of pieces", kMostLetters);
    const auto begin = static_cast<uint32_t>(letters_done_);
    letters_done_ = result_.letters.size();
    result_.pieces.push_back({{begin, static_cast<uint32_t>(letters_done_) - begin}, id});
    return true;
  }
  bool word(Text part) {
    if (word_done_) word_.clear();
    word_done_ = false;
    word_.append(part.data(), part.size());
    if (result_.merges.letters.size() > kMostLetters) fail(where_, "model.merges: more than {} bytes", kMostLetters);
    return true;
  }
  void merge_of_one_string() {
    const size_t blank = word_.find(' ');
    if (blank == std::string::npos || word_.find(' ', blank + 1) != std::string::npos) fail_merge(shown(word_));
    const std::string_view both = word_;
    result_.merges.add(both.substr(0, blank), both.substr(blank + 1));
  }

  std::string_view where_;
  TokenizerJson result_;
  json::value_stack stack_;
  Place place_ = Place::rest;
  Place next_ = Place::rest;  // what the key just read announces
  int depth_ = 0;             // of the rest
  bool in_model_ = false;
  int vocabs_ = 0, merges_ = 0;
  std::string key_;          // of the rest, so far
  std::string word_, left_;  // of a merge
  bool word_done_ = true;
  int part_ = 0;  // strings of the merge so far
  size_t letters_done_ = 0;
};

std::string place_of(std::string_view text, size_t at) {
  const std::string_view before = text.substr(0, at);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t start = before.rfind('\n') + 1;  // npos + 1 is 0
  return fmt::format("line {}, column {}", line, at - start + 1);
}

}  // namespace

TokenizerJson read_tokenizer_json(std::string_view where, std::string_view text) {
  json::parse_options options;
  options.max_depth = kDepth;
  json::basic_parser<Listener> parser(options, where);
  boost::system::error_code error;
  const size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (error == json::error::too_deep) {
    fail(where, "{}: JSON is nested deeper than {} levels", place_of(text, used), kDepth);
  }
  if (error) fail(where, "{}: not valid JSON ({})", place_of(text, used), error.message());
  const size_t more = text.find_first_not_of(" \t\r\n", used);
  if (more != std::string_view::npos) {
    fail(where, "{}: expected the end of the JSON text, found more", place_of(text, more));
  }
  return parser.handler().release();
}

}  // namespace gemma
