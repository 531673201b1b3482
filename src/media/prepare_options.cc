// SPDX-License-Identifier: Apache-2.0
// Settings of a worker as JSON. What is read comes from our own program and is checked all the same.
#include <cmath>
#include <string_view>

#include "base/error.h"
#include "media/prepare.h"

namespace gemma::media {
namespace {

constexpr std::string_view kWhere = "media settings";

class Fields {
 public:
  explicit Fields(const json::object& object) : object_(object) {}

  double number(std::string_view name, double least, double most) const {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr || !value->is_number()) fail(kWhere, "'{}': expected a number", name);
    const double number = value->to_number<double>();
    if (!(number >= least && number <= most)) {
      fail(kWhere, "'{}': expected {:g} to {:g}, found {:g}", name, least, most, number);
    }
    return number;
  }
  int64_t integer(std::string_view name, double least, double most) const {
    return static_cast<int64_t>(std::floor(number(name, least, most)));
  }
  template <class T>
  T choice(std::string_view name, T last) const {
    return static_cast<T>(integer(name, 0, static_cast<double>(last)));
  }

 private:
  const json::object& object_;
};

template <class T>
int64_t number_of(T value) {
  return static_cast<int64_t>(value);
}

}  // namespace

json::object to_json(const PrepareOptions& o) {
  return {{"kind", number_of(o.kind)},
          {"form", number_of(o.form)},
          {"budget", o.budget},
          {"patch", o.grid.patch},
          {"cell", o.grid.cell},
          {"alpha", number_of(o.alpha)},
          {"turn", number_of(o.turn)},
          {"whole", o.whole ? 1 : 0},
          {"resize", number_of(o.resize)},
          {"front_end", number_of(o.front_end)},
          {"max_frames", o.frames.max_frames},
          {"fps", o.frames.fps},
          {"choice", number_of(o.frames.choice)},
          {"tokens", o.frames.tokens},
          {"sound", number_of(o.sound)},
          {"cut", number_of(o.cut)},
          {"piece_seconds", o.piece_seconds},
          {"wave", o.wave ? 1 : 0},
          {"max_bytes", o.max_bytes},
          {"max_pixels", o.max_pixels},
          {"max_seconds", o.max_seconds}};
}

PrepareOptions options_from(const json::object& object) {
  const Fields fields(object);
  PrepareOptions o;
  o.kind = fields.choice("kind", Medium::video);
  o.form = fields.choice("form", Form::unified);
  o.budget = static_cast<int>(fields.integer("budget", kAutoBudget, 1e6));
  o.grid = {static_cast<int>(fields.integer("patch", 1, 1024)), static_cast<int>(fields.integer("cell", 1, 64))};
  o.alpha = fields.choice("alpha", Alpha::drop);
  o.turn = fields.integer("turn", 0, 1) != 0;
  o.whole = fields.integer("whole", 0, 1) != 0;
  o.resize = fields.choice("resize", ResizeRule::pillow_down_first);
  o.front_end = fields.choice("front_end", FrontEnd::jax);
  o.frames = {static_cast<int>(fields.integer("max_frames", 0, 1e6)), fields.number("fps", 0, 1e4),
              fields.choice("choice", FrameChoice::scenes), fields.integer("tokens", 0, 1e9)};
  o.sound = fields.choice("sound", FilmSound::none);
  o.cut = fields.choice("cut", Cut::pauses);
  o.piece_seconds = fields.number("piece_seconds", 2, 30);
  o.wave = fields.integer("wave", 0, 1) != 0;
  o.max_bytes = fields.integer("max_bytes", 0, 1e18);
  o.max_pixels = fields.integer("max_pixels", 0, 1e12);
  o.max_seconds = fields.number("max_seconds", 0, 1e9);
  return o;
}

}  // namespace gemma::media
