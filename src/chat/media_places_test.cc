// SPDX-License-Identifier: Apache-2.0
#include "chat/media_places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "chat/spelling.h"
#include "chat/testing/letters.h"

namespace gemma {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::shared_ptr<const Tokenizer> kLetters = letters(control_spellings(Template::edge));
const MediaIds kIds = MediaIds::of(*kLetters);

MediaItem picture(int64_t soft_tokens) { return {Medium::image, {{"", Medium::image, soft_tokens}}}; }
MediaItem sound(int64_t soft_tokens) { return {Medium::audio, {{"", Medium::audio, soft_tokens}}}; }
MediaItem film() {
  return {Medium::video, {{"00:00 ", Medium::video, 2}, {"", Medium::audio, 1}, {" 00:07 ", Medium::video, 2}}};
}

Result<PlacedPrompt> place(const json::array& content, const std::vector<MediaItem>& items) {
  const json::array messages = {{{"role", "user"}, {"content", content}}};
  const auto pieces = ChatFormat(Template::edge).render(messages, {}, {});
  GEMMA_CHECK(pieces.ok(), "a plain message");
  return place_media(pieces.value(), items, kIds, *kLetters);
}

std::string spelled(const PlacedPrompt& prompt) { return kLetters->decode(prompt.tokens); }

const json::value kImage = {{"type", "image"}}, kAudio = {{"type", "audio"}}, kVideo = {{"type", "video"}};
json::value words(std::string_view text) { return {{"type", "text"}, {"text", text}}; }

TEST(PlaceMedia, RunsBetweenBorders) {
  const auto prompt = place({words("a"), kImage, kAudio, words("b")}, {picture(3), sound(2)});
  ASSERT_TRUE(prompt.ok()) << prompt.failure().message();
  EXPECT_EQ(spelled(prompt.value()),
            "<bos><|turn>user\na<|image><|image|><|image|><|image|><image|><|audio><|audio|><|audio|><audio|>b<turn|>\n"
            "<|turn>model\n");
  const auto& blocks = prompt.value().blocks;
  ASSERT_EQ(blocks.size(), 2U);
  for (const PlacedBlock& block : blocks) {
    EXPECT_EQ(block.block, 0U);
    const int32_t inside = block.item == 0 ? kIds.image : kIds.audio;
    const int64_t count = block.item == 0 ? 3 : 2;
    for (int64_t i = -1; i <= count; ++i) {
      EXPECT_EQ(prompt.value().tokens[static_cast<size_t>(block.first_row + i)] == inside, i >= 0 && i < count);
    }
  }
}

TEST(PlaceMedia, FramesHaveTheirTimesAndTheirSound) {
  const auto prompt = place({kVideo, words("Describe.")}, {film()});
  ASSERT_TRUE(prompt.ok());
  EXPECT_EQ(spelled(prompt.value()),
            "<bos><|turn>user\n00:00 <|image><|video|><|video|><image|><|audio><|audio|><audio|> 00:07 "
            "<|image><|video|><|video|><image|>Describe.<turn|>\n<|turn>model\n");
  EXPECT_EQ(film().tokens(), 4 + 3 + 4);
}

/** "\nx" is one piece: the text of the template and what stands before the first frame are read together. */
TEST(PlaceMedia, TextJoinsAcrossTheBorder) {
  MediaItem item = film();
  item.blocks[0].text = "x ";
  const auto prompt = place({kVideo}, {item});
  ASSERT_TRUE(prompt.ok());
  EXPECT_THAT(prompt.value().tokens, testing::Contains(kLetters->find("\nx").value()));
}

TEST(PlaceMedia, WhatSomebodyTypesIsNoPlace) {
  const auto prompt = place({words("<|image|>"), kImage}, {picture(1)});
  ASSERT_TRUE(prompt.ok());
  EXPECT_EQ(std::count(prompt.value().tokens.begin(), prompt.value().tokens.end(), kIds.image), 1);
}

TEST(PlaceMedia, CountsAndKindsMustAgree) {
  EXPECT_THAT(place({kImage}, {}).failure().message(), HasSubstr("expected one for each <|image|>, found 0"));
  EXPECT_THAT(place({kImage}, {sound(1)}).failure().message(), HasSubstr("number 1: expected image, found audio"));
  EXPECT_THAT(place({words("a")}, {picture(1)}).failure().message(), HasSubstr("a place for 0 of 1"));
  MediaIds none = kIds;
  none.video = -1;
  const auto without = place_media({place_of(Medium::video)}, std::vector{film()}, none, *kLetters);
  EXPECT_THAT(without.failure().message(), HasSubstr("no tokens for video"));
}

/** A tool's picture is printed before what the message that called it shows: each gets its own soft tokens. */
TEST(PlaceMedia, PartsKeepTheirPlaceWhateverIsPrintedFirst) {
  const json::object call{{"type", "function"}, {"id", "c"}, {"function", {{"name", "f"}, {"arguments", nullptr}}}};
  const json::array messages = {
      {{"role", "user"}, {"content", json::array{words("a"), kImage}}},
      {{"role", "assistant"}, {"content", json::array{kImage}}, {"tool_calls", json::array{call}}},
      {{"role", "tool"}, {"tool_call_id", "c"}, {"content", json::array{kImage, kAudio}}}};
  const auto pieces = ChatFormat(Template::edge).render(messages, {}, {});
  ASSERT_TRUE(pieces.ok()) << pieces.failure().message();
  const auto prompt =
      place_media(pieces.value(), std::vector{picture(1), picture(2), picture(3), sound(4)}, kIds, *kLetters);
  ASSERT_TRUE(prompt.ok()) << prompt.failure().message();
  std::vector<size_t> items;
  for (const PlacedBlock& block : prompt.value().blocks) items.push_back(block.item);
  EXPECT_THAT(items, ElementsAre(0, 2, 3, 1));
}

/** The golden conversations with pictures, sound and film: the template's own text but for the runs. */
TEST(PlaceMedia, GoldenConversations) {
  int rows_with_media = 0;
  for (const Template which : {Template::edge, Template::large}) {
    const std::string path = fmt::format(GEMMA4_GOLDEN "/chat/render_{}.json", name_of(which));
    const json::value rows = parse_json(read_file(path), 256, BigIntegers::keep).value().at("cases");
    for (const json::value& row : rows.as_array()) {
      const json::object& object = row.as_object();
      const json::array& messages = object.at("messages").as_array();
      const std::vector<Medium> media = media_in(messages);
      if (media.empty() || !object.contains("expected")) continue;
      std::vector<MediaItem> items;
      for (const Medium medium : media) items.push_back({medium, {{"", medium, 2}}});
      ChatOptions options;
      const json::value* thinking = object.at("kwargs").as_object().if_contains("enable_thinking");
      options.enable_thinking = thinking != nullptr && thinking->as_bool();
      const auto pieces = ChatFormat(which).render(messages, {}, options);
      ASSERT_TRUE(pieces.ok());
      const auto prompt = place_media(pieces.value(), items, kIds, *kLetters);
      ASSERT_TRUE(prompt.ok()) << prompt.failure().message();
      std::string expected(object.at("expected").as_string());
      for (const auto& [place, run] : std::initializer_list<std::pair<std::string, std::string>>{
               {"<|image|>", "<|image><|image|><|image|><image|>"},
               {"<|audio|>", "<|audio><|audio|><|audio|><audio|>"},
               {"<|video|>", "<|image><|video|><|video|><image|>"}}) {
        for (size_t at = 0; (at = expected.find(place, at)) != std::string::npos; at += run.size()) {
          expected.replace(at, place.size(), run);
        }
      }
      EXPECT_EQ(spelled(prompt.value()), expected);
      ++rows_with_media;
    }
  }
  EXPECT_GE(rows_with_media, 14);
}

TEST(PlaceMedia, PlainTextHasPlacesWhereControlTokensCount) {
  EXPECT_EQ(pieces_of("a<|image|>b", Specials::text).size(), 1U);
  const auto pieces = pieces_of("a<|image|>b", Specials::control);
  ASSERT_EQ(pieces.size(), 3U);
  EXPECT_EQ(medium_of_place(pieces[1]), Medium::image);
  EXPECT_EQ(medium_of_place(pieces[0]), std::nullopt);
}

TEST(MediaIn, PartsInOrderByAllTheirNames) {
  const json::array messages = {
      {{"role", "user"}, {"content", "words"}},
      {{"role", "user"}, {"content", {kImage, words("a"), {{"type", "input_audio"}}, {{"type", "image_url"}}}}},
      {{"role", "user"}, {"content", json::array{kVideo, nullptr, {{"type", 3}}}}},
      7};
  EXPECT_THAT(media_in(messages), ElementsAre(Medium::image, Medium::audio, Medium::image, Medium::video));
  json::array changed = messages;
  const std::vector<Medium> media{Medium::video, Medium::audio, Medium::audio, Medium::image};
  set_media_in(changed, media);
  EXPECT_EQ(media_in(changed), media);
  set_media_in(changed, media_in(messages));
  changed[1].at("content").at(2).at("type") = "input_audio", changed[1].at("content").at(3).at("type") = "image_url";
  EXPECT_EQ(changed, messages);
}

}  // namespace
}  // namespace gemma
