// SPDX-License-Identifier: Apache-2.0
#include "engine/places.h"

#include <algorithm>

namespace gemma {
namespace {

constexpr int64_t kEdited = 128;  // tokens at the end of a prompt within which another may differ from it
constexpr size_t kTurns = 2;      // at the end of a prompt; those before ended prompts of their own
constexpr size_t kMedia = 2;
constexpr int64_t kLeastSpacing = 1024, kWindowsApart = 4;  // keeps windows at a quarter of what all pages take

}  // namespace

int64_t place_spacing(const Config& config) {
  int widest = 0;
  for (const LayerConfig& layer : config.layers) widest = std::max(widest, layer.window);
  return std::max(kLeastSpacing, kWindowsApart * widest);
}

std::vector<int64_t> places_of(std::span<const int32_t> prompt, std::span<const PrefixMedia> media,
                               std::span<const int32_t> turn_ends, int64_t spacing) {
  const auto size = static_cast<int64_t>(prompt.size());
  std::vector<int64_t> places{size, size - kEdited}, turns;
  for (int64_t at = spacing; at < size; at += spacing) places.push_back(at);
  for (int64_t i = 0; i < size; ++i) {
    if (std::ranges::find(turn_ends, prompt[static_cast<size_t>(i)]) != turn_ends.end()) turns.push_back(i + 1);
  }
  if (!turns.empty()) places.push_back(turns.front());
  for (size_t i = 0; i < std::min(kTurns, turns.size()); ++i) places.push_back(turns[turns.size() - 1 - i]);
  for (size_t i = 0; i < std::min(kMedia, media.size()); ++i) {
    const PrefixMedia& each = media[media.size() - 1 - i];
    places.push_back(each.first + each.rows);
  }
  for (int64_t& place : places) place = before_block(media, place);
  std::erase_if(places, [](int64_t place) { return place <= 0; });
  std::ranges::sort(places);
  places.erase(std::unique(places.begin(), places.end()), places.end());
  return places;
}

void add_place(std::vector<int64_t>& places, int64_t place) {
  const auto at = std::lower_bound(places.begin(), places.end(), place);
  if (at == places.end() || *at != place) places.insert(at, place);
}

}  // namespace gemma
