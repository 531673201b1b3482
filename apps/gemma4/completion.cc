// SPDX-License-Identifier: Apache-2.0
// Completion scripts, made from the commands and options as they are declared, so that they are never out of date.
#include <fmt/format.h>

#include <functional>

#include "base/error.h"
#include "gemma4/command.h"

namespace gemma::app {
namespace {

constexpr const char* kExamples = R"(Examples:
  source <(gemma4 completion bash)
  gemma4 completion zsh > ~/.zfunc/_gemma4
  gemma4 completion fish > ~/.config/fish/completions/gemma4.fish)";

struct Word {
  std::string name, help;
};

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_name().empty(); });
}

/** Options of a command and of the commands below it (chat-format render). */
std::vector<Word> options_of(const CLI::App& app) {
  std::vector<Word> words;
  for (const CLI::App* below : commands_of(app)) words = options_of(*below);
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back({"--" + name, option->get_description()});
  }
  return words;
}

std::string joined(const std::vector<Word>& words) {
  std::string text;
  for (const Word& word : words) text += (text.empty() ? "" : " ") + word.name;
  return text;
}

std::vector<Word> command_words(const CLI::App& app) {
  std::vector<Word> words;
  for (const CLI::App* command : commands_of(app)) words.push_back({command->get_name(), command->get_description()});
  return words;
}

/** In single quotes for a shell. */
std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string bash(const CLI::App& app) {
  std::string cases;
  for (const CLI::App* command : commands_of(app)) {
    cases += fmt::format("    {}) words='{}' below='{}' ;;\n", command->get_name(), joined(options_of(*command)),
                         joined(command_words(*command)));
  }
  return fmt::format(R"(_gemma4() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} words= below=
  if (( COMP_CWORD == 1 )); then
    COMPREPLY=($(compgen -W '{} {}' -- "$word"))
    return
  fi
  case ${{COMP_WORDS[1]}} in
{}  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
  else
    COMPREPLY=($(compgen -W "$below" -- "$word") $(compgen -f -- "$word"))
  fi
}}
complete -o filenames -F _gemma4 gemma4
)",
                     joined(command_words(app)), joined(options_of(app)), cases);
}

std::string zsh_list(const std::vector<Word>& words) {
  std::string text;
  for (const Word& word : words) {
    std::string help;
    for (char c : word.help) help += c == ':' ? "\\:" : std::string(1, c);
    text += " " + shell_quoted(word.name + ":" + help);
  }
  return text;
}

std::string zsh(const CLI::App& app) {
  std::string cases;
  for (const CLI::App* command : commands_of(app)) {
    cases += fmt::format("    {}) words_of=({}) below=({}) ;;\n", command->get_name(), zsh_list(options_of(*command)),
                         joined(command_words(*command)));
  }
  return fmt::format(R"(#compdef gemma4
_gemma4() {{
  local -a commands words_of below
  commands=({})
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case $words[2] in
{}  esac
  if [[ $words[CURRENT] == -* ]]; then
    _describe option words_of
  else
    (( $#below )) && compadd -a below
    _files
  fi
}}
compdef _gemma4 gemma4
)",
                     zsh_list(command_words(app)), cases);
}

std::string fish(const CLI::App& app) {
  std::string text;
  for (const CLI::App* command : commands_of(app)) {
    text += fmt::format("complete -c gemma4 -n __fish_use_subcommand -f -a {} -d {}\n", command->get_name(),
                        shell_quoted(command->get_description()));
    for (const Word& word : command_words(*command)) {
      text += fmt::format("complete -c gemma4 -n '__fish_seen_subcommand_from {}' -a {} -d {}\n", command->get_name(),
                          word.name, shell_quoted(word.help));
    }
    for (const Word& word : options_of(*command)) {
      text += fmt::format("complete -c gemma4 -n '__fish_seen_subcommand_from {}' -l {} -d {}\n", command->get_name(),
                          word.name.substr(2), shell_quoted(word.help));
    }
  }
  return text;
}

}  // namespace

void add_completion(CLI::App& app) {
  CLI::App* command = app.add_subcommand("completion", "Print a completion script for a shell");
  command->footer(kExamples);
  auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([&app, shell] {
    fmt::print("{}", *shell == "bash" ? bash(app) : *shell == "zsh" ? zsh(app) : fish(app));
  });
}

}  // namespace gemma::app
