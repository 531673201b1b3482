// SPDX-License-Identifier: Apache-2.0
// gemma4 tokenize: texts to ids and back, for people and for programs.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/local_model.h"
#include "text/tokenizer.h"

namespace gemma::app {
namespace {

constexpr const char* kExamples = R"(Examples:
  gemma4 tokenize model.gguf "Hello, world"            ids, separated by blanks
  gemma4 tokenize model.gguf --pieces < letter.txt     one token a line: id, kind, piece
  gemma4 tokenize hf-folder --jsonl < texts.jsonl      "text"    ->  {"ids": [9259, 236764]}
  gemma4 tokenize tokenizer.json --decode < ids.jsonl  [9259]    ->  {"text": "Hello"})";

struct TokenizeOptions {
  std::string model, text, specials = "text";
  bool has_text = false, jsonl = false, decode = false, skip_special = false, pieces = false;
};

/** A tokenizer needs no weights: tokenizer.json is read alone where there is one. */
std::shared_ptr<const Tokenizer> open_tokenizer(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path beside = fs::path(path) / "tokenizer.json";
  if (fs::is_directory(path, ignored) && fs::exists(beside, ignored)) {
    return Tokenizer::from_json(beside.string(), read_file(beside.string()));
  }
  if (fs::path(path).extension() == ".json" && !path.ends_with(".index.json")) {
    return Tokenizer::from_json(path, read_file(path));
  }
  return Tokenizer::from(ModelFile::open(local_model(path).path));
}

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    fail("standard output", "cannot write (disk full, or nobody reads)");
  }
}

std::string joined(const std::vector<int32_t>& ids, std::string_view separator) {
  std::string out;
  for (const int32_t id : ids) {
    if (!out.empty()) out += separator;
    out += fmt::format_int(id).c_str();
  }
  return out;
}

/** A JSON string without anything that some reader takes for the end of a line. */
std::string one_line(std::string_view text) {
  std::string out = json::serialize(json::string(text));
  for (const auto& [letter, escape] : {std::pair{"\u0085", "\\u0085"}, {"\u2028", "\\u2028"}, {"\u2029", "\\u2029"}}) {
    for (size_t at = 0; (at = out.find(letter, at)) != std::string::npos;) {
      out.replace(at, std::string_view(letter).size(), escape);
    }
  }
  return out;
}

std::string_view name_of(json::kind kind) {
  switch (kind) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
    default:
      return "a number";
  }
}

/** `where` is "line 3": the place within it is a column, "line 3, column 7". */
json::value parse_line(const std::string& where, std::string_view line) {
  Result<json::value> value = parse_json(line, 8);
  if (value) return std::move(value).value();
  constexpr std::string_view kOnlyLine = "line 1, ";
  const std::string& reason = value.failure().reason;
  if (reason.starts_with(kOnlyLine)) fail("", "{}, {}", where, reason.substr(kOnlyLine.size()));
  fail(where, "{}", reason);
}

std::string encode_line(const Tokenizer& tokenizer, Specials specials, const std::string& where,
                        std::string_view line) {
  const json::value value = parse_line(where, line);
  if (!value.is_string()) fail(where, "expected a JSON string, found {}", name_of(value.kind()));
  return "{\"ids\": [" + joined(tokenizer.encode(value.get_string(), specials), ", ") + "]}\n";
}

std::string decode_line(const Tokenizer& tokenizer, bool skip_special, const std::string& where,
                        std::string_view line) {
  const json::value value = parse_line(where, line);
  if (!value.is_array()) {
    fail(where, "expected a JSON array of ids, found {}", name_of(value.kind()));
  }
  std::vector<int32_t> ids;
  for (const json::value& item : value.get_array()) {
    const bool good = item.is_int64() && item.get_int64() >= 0 && item.get_int64() < tokenizer.size();
    if (!good) {
      fail(where, "[{}]: expected an id from 0 to {}, found {}", ids.size(), tokenizer.size() - 1,
           json::serialize(item).substr(0, 40));
    }
    ids.push_back(static_cast<int32_t>(item.get_int64()));
  }
  return "{\"text\": " + one_line(tokenizer.decode(ids, skip_special)) + "}\n";
}

void run_lines(const Tokenizer& tokenizer, const TokenizeOptions& options, Specials specials) {
  const auto answer = [&](const std::string& where, std::string_view line) {
    print(options.decode ? decode_line(tokenizer, options.skip_special, where, line)
                         : encode_line(tokenizer, specials, where, line));
  };
  if (options.has_text) return answer("text", options.text);
  std::ios::sync_with_stdio(false);  // a byte at a time otherwise
  std::string line;
  for (int64_t number = 1; std::getline(std::cin, line); ++number) answer(fmt::format("line {}", number), line);
  if (std::cin.bad()) fail("standard input", "cannot read");
}

std::string_view name_of(PieceKind kind) {
  switch (kind) {
    case PieceKind::normal:
      return "normal";
    case PieceKind::control:
      return "control";
    case PieceKind::user_defined:
      return "user-defined";
    case PieceKind::byte:
      return "byte";
    case PieceKind::unused:
      return "unused";
    case PieceKind::unknown:
      return "unknown";
  }
  return "";
}

void run_text(const Tokenizer& tokenizer, const TokenizeOptions& options, Specials specials) {
  std::string text = options.text;
  if (!options.has_text) text.assign(std::istreambuf_iterator<char>(std::cin), {});
  if (std::cin.bad()) fail("standard input", "cannot read");
  const std::vector<int32_t> ids = tokenizer.encode(text, specials);
  if (!options.pieces) return print(joined(ids, " ") + "\n");
  std::string out;
  for (const int32_t id : ids) {
    out += fmt::format("{:>6}  {:<12}  {}\n", id, name_of(tokenizer.kind(id)), one_line(tokenizer.piece(id)));
  }
  print(out);
}

void run(const TokenizeOptions& options) {
  const auto tokenizer = open_tokenizer(options.model);
  const Specials specials = options.specials == "control" ? Specials::control : Specials::text;
  if (options.jsonl || options.decode) return run_lines(*tokenizer, options, specials);
  run_text(*tokenizer, options, specials);
}

}  // namespace

void add_tokenize(CLI::App& app) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = app.add_subcommand("tokenize", "Turn text into tokens, and tokens into text");
  command->add_option("MODEL", options->model, "A GGUF, a Hugging Face folder, or a tokenizer.json")
      ->required()
      ->check(not_empty());
  CLI::Option* text = command->add_option("TEXT", options->text, "The text; without it, standard input is read");
  CLI::Option* lines =
      command->add_flag("--jsonl", options->jsonl, "A JSON string a line in, {\"ids\": [...]} a line out");
  command
      ->add_option("--specials", options->specials,
                   "What \"<bos>\" in a text is: its letters (text) or the token (control)")
      ->check(CLI::IsMember({"text", "control"}))
      ->capture_default_str();
  CLI::Option* decode =
      command->add_flag("--decode", options->decode, "A JSON array of ids a line in, {\"text\": ...} a line out");
  command->add_flag("--skip-special", options->skip_special, "With --decode: leave control tokens out")->needs(decode);
  command->add_flag("--pieces", options->pieces, "One token a line: id, kind, piece")
      ->excludes(lines)
      ->excludes(decode);
  command->footer(kExamples);
  command->callback([options, text] {
    options->has_text = text->count() > 0;
    run(*options);
  });
}

}  // namespace gemma::app
