// SPDX-License-Identifier: Apache-2.0
// Templates are known by their text, wherever a checkpoint keeps it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "chat/chat_format.h"

namespace gemma {
namespace {

using SideFiles = std::map<std::string, std::string, std::less<>>;

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

ModelFile open_bytes(std::string name, std::string_view bytes, SideFiles side_files = {}) {
  std::vector<std::unique_ptr<ByteSource>> sources;
  sources.push_back(memory_source(std::move(name), bytes_of(bytes)));
  return ModelFile::open(std::move(sources), std::move(side_files));
}

/** A safetensors file of one number, in a folder with `side_files`. */
ModelFile folder(SideFiles side_files) {
  const std::string header = R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(header.size());
  return open_bytes("model.safetensors", bytes + header + std::string(4, '\0'), std::move(side_files));
}

std::string little_endian(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

/** A GGUF file with nothing but an architecture and, unless it is "", a chat template. */
ModelFile gguf(std::string_view chat_template) {
  const auto text = [](std::string_view s) { return little_endian(s.size(), 8) + std::string(s); };
  const auto key = [&](std::string_view name, std::string_view value) {
    return text(name) + little_endian(8, 4) + text(value);
  };
  std::string bytes =
      "GGUF" + little_endian(3, 4) + little_endian(0, 8) + little_endian(chat_template.empty() ? 1 : 2, 8);
  bytes += key("general.architecture", "gemma4");
  if (!chat_template.empty()) bytes += key("tokenizer.chat_template", chat_template);
  return open_bytes("model.gguf", bytes);
}

std::string google(std::string_view which) {
  return read_file(fmt::format("{}/chat/templates/gemma4_{}.jinja", GEMMA4_GOLDEN, which));
}

std::string chosen(const ModelFile& file, bool per_layer = false, int generation = 4) {
  const ChatFormat::Choice choice = ChatFormat::choose(file, per_layer, generation);
  return fmt::format("{}{}{}", name_of(choice.which), choice.recognised ? " recognised" : "",
                     choice.present ? " present" : "");
}

std::string config_with(const json::value& chat_template) {
  return write_json(json::object{{"bos_token", "<bos>"}, {"chat_template", chat_template}});
}

TEST(ChatFormatChoose, KnowsGooglesTemplatesWhereverTheyAre) {
  for (const std::string which : {"edge", "large"}) {
    const std::string expected = which + " recognised present", text = google(which);
    EXPECT_EQ(chosen(gguf(text)), expected);
    EXPECT_EQ(chosen(folder({{"chat_template.jinja", text}})), expected);
    EXPECT_EQ(chosen(folder({{"chat_template.json", config_with(json::string(text))}})), expected);
    EXPECT_EQ(chosen(folder({{"tokenizer_config.json", config_with(json::string(text))}})), expected);
    const json::array list = {{{"name", "tool_use"}, {"template", "x"}}, {{"name", "default"}, {"template", text}}};
    EXPECT_EQ(chosen(folder({{"tokenizer_config.json", config_with(list)}})), expected);
  }
  EXPECT_EQ(chosen(folder({{"chat_template.jinja", google("edge")}, {"tokenizer_config.json", config_with("x")}})),
            "edge recognised present");
}

TEST(ChatFormatChoose, CommentsAndBlanksDoNotCount) {
  std::string text = google("large");
  for (size_t at = 0; (at = text.find("    ", at)) != std::string::npos;) text.erase(at, 3);
  EXPECT_EQ(chosen(gguf("{# revised #}\r\n" + text + "{# unfinished")), "large recognised present");
}

TEST(ChatFormatChoose, KnowsGemma3s) {
  const std::string text =
      "{%- set first_user_prefix = '' -%}{%- for message in messages -%}"
      "{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception('x') }}{%- endif -%}"
      "{{ '<start_of_turn>' + role + '\n' }}{{ '<end_of_turn>\n' }}{%- endfor -%}{{ '<start_of_turn>model\n' }}";
  EXPECT_EQ(chosen(gguf(text)), "gemma3 recognised present");
}

TEST(ChatFormatChoose, TakesTheNearestOfAnUnknownOne) {
  const std::string other = "{% for m in messages %}<|im_start|>{{ m.role }}{% endfor %}";
  EXPECT_EQ(chosen(gguf(other), true), "edge present");
  EXPECT_EQ(chosen(gguf(other), false), "large present");
  EXPECT_EQ(chosen(gguf(other), false, 3), "gemma3 present");
}

TEST(ChatFormatChoose, SaysWhenThereIsNone) {
  EXPECT_EQ(chosen(gguf(""), true), "edge");
  EXPECT_EQ(chosen(folder({})), "large");
  EXPECT_EQ(chosen(folder({{"tokenizer_config.json", "{}"}}), false, 3), "gemma3");
  EXPECT_EQ(chosen(folder({{"tokenizer_config.json", config_with(nullptr)}})), "large");
}

}  // namespace
}  // namespace gemma
