// SPDX-License-Identifier: Apache-2.0
#include "file/metadata.h"

#include <gmock/gmock.h>

#include "file/testing/files.h"

namespace gemma {
namespace {

using ::testing::ElementsAre;
using testing::error_of;

Metadata sample() {
  Metadata m;
  m.add("m.gguf", "flag", true);
  m.add("m.gguf", "count", int64_t{7});
  m.add("m.gguf", "rate", 0.5);
  m.add("m.gguf", "name", std::string("gemma"));
  m.add("m.gguf", "flags", std::vector<bool>{true, false});
  m.add("m.gguf", "counts", std::vector<int64_t>{1, 2});
  m.add("m.gguf", "names", std::vector<std::string>{"a", "b"});
  return m;
}

TEST(Metadata, FindsByKey) {
  const Metadata m = sample();
  EXPECT_EQ(m.boolean("flag"), true);
  EXPECT_EQ(m.integer("count"), 7);
  EXPECT_EQ(m.number("rate"), 0.5);
  EXPECT_EQ(m.string("name"), "gemma");
  EXPECT_THAT(*m.booleans("flags"), ElementsAre(true, false));
  EXPECT_THAT(*m.strings("names"), ElementsAre("a", "b"));
  EXPECT_EQ(m.integer("other"), std::nullopt);
  EXPECT_EQ(m.strings("other"), nullptr);
}

TEST(Metadata, WidensNumbersAndSingleValues) {
  const Metadata m = sample();
  EXPECT_EQ(m.number("count"), 7.0);
  EXPECT_THAT(*m.integers("count"), ElementsAre(7));
  EXPECT_THAT(*m.integers("counts"), ElementsAre(1, 2));
  EXPECT_THAT(*m.numbers("counts"), ElementsAre(1.0, 2.0));
  EXPECT_THAT(*m.numbers("rate"), ElementsAre(0.5));
  EXPECT_THAT(*m.numbers("count"), ElementsAre(7.0));
}

TEST(Metadata, RefusesOtherTypes) {
  const Metadata m = sample();
  EXPECT_EQ(error_of([&] { m.integer("name"); }), "m.gguf: key 'name': expected an integer, found a string");
  EXPECT_EQ(error_of([&] { m.integer("rate"); }), "m.gguf: key 'rate': expected an integer, found a number");
  EXPECT_EQ(error_of([&] { m.boolean("count"); }), "m.gguf: key 'count': expected true or false, found an integer");
  EXPECT_EQ(error_of([&] { m.string("names"); }), "m.gguf: key 'names': expected a string, found a list of strings");
  EXPECT_EQ(error_of([&] { m.strings("name"); }), "m.gguf: key 'name': expected a list of strings, found a string");
  EXPECT_EQ(error_of([&] { m.integers("flags"); }),
            "m.gguf: key 'flags': expected a list of integers, found a list of true and false");
  EXPECT_EQ(error_of([&] { m.booleans("flag"); }),
            "m.gguf: key 'flag': expected a list of true and false, found true or false");
  EXPECT_EQ(error_of([&] { m.numbers("flag"); }),
            "m.gguf: key 'flag': expected a list of numbers, found true or false");
  EXPECT_EQ(error_of([&] { m.number("flag"); }), "m.gguf: key 'flag': expected a number, found true or false");
}

TEST(Metadata, AddsOnceSetsAgainAndErases) {
  Metadata m = sample();
  EXPECT_EQ(error_of([&] { m.add("m.gguf", "count", int64_t{8}); }), "m.gguf: key 'count' occurs twice");
  m.set("count", int64_t{9}, MetaType::u16);
  EXPECT_EQ(m.integer("count"), 9);
  EXPECT_EQ(m.entry("count")->type, MetaType::u16);
  m.erase("count");
  m.erase("never there");
  EXPECT_EQ(m.find("count"), nullptr);
  EXPECT_EQ(m.string("name"), "gemma");
  EXPECT_EQ(m.entries().size(), 6u);
  m.set("count", int64_t{1});
  EXPECT_EQ(m.entries().back().first, "count");
}

TEST(Metadata, DefaultTypesAreTheOnesLlamaCppExpects) {
  const Metadata m = sample();
  EXPECT_EQ(m.entry("flag")->type, MetaType::boolean);
  EXPECT_EQ(m.entry("count")->type, MetaType::u32);
  EXPECT_EQ(m.entry("rate")->type, MetaType::f32);
  EXPECT_EQ(m.entry("counts")->type, MetaType::i32);
  EXPECT_EQ(m.entry("names")->type, MetaType::string);
}

}  // namespace
}  // namespace gemma
