// SPDX-License-Identifier: Apache-2.0
// gemma4 detect, gemma4 point: where things are in pictures, as boxes and points.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/file.h"
#include "gemma4/child.h"
#include "gemma4/command.h"
#include "gemma4/schema.h"
#include "gemma4/task.h"
#include "grounding/drawing.h"
#include "grounding/report.h"

namespace gemma::app {
namespace {

constexpr const char* kDetectExamples = R"(Examples:
  gemma4 detect street.jpg -m model-folder                  everything, as a table
  gemma4 detect street.jpg "the bike" --draw bike.png
  gemma4 detect *.jpg "traffic lights" --json --coco lights.json
  gemma4 detect photo.jpg "faces" --stored                  pixels of the file, its turn undone
The last word is what is looked for, where it is no file; without one: everything.)";
constexpr const char* kPointExamples = R"(Examples:
  gemma4 point screen.png "view recipe button" -m model-folder
  gemma4 point screen.png "the search field" --json
  gemma4 point crowd.jpg "every hat" --draw hats.svg)";

constexpr int kMostTokens = 4096;  // of an answer, where --max-tokens does not say; a model may find no end
constexpr int kMostEntries = 200;

struct GroundOptions {
  TaskOptions task;
  std::vector<std::string> words;
  std::string coco, draw;
  std::optional<bool> strict;  // none: with --json
  bool point = false, stored = false;
};

std::string question_of(const GroundOptions& options, const std::optional<std::string>& phrase) {
  if (options.point) {
    return fmt::format(
        "Point to {} in the image. Output a JSON list where each entry has \"point\" ([y, x], 0 to 1000) and "
        "\"label\".",
        *phrase);
  }
  const std::string form =
      "Output a JSON list where each entry has \"box_2d\" ([y1, x1, y2, x2], 0 to 1000) and \"label\".";
  return phrase ? fmt::format("What's the bounding box for {} in the image? {}", *phrase, form)
                : "Detect all prominent objects in the image. " + form;
}

int number(const json::object& facts, std::string_view key) {
  return static_cast<int>(facts.at(key).to_number<double>());
}

/** The picture as it is seen, decoded by a worker. */
media::Pixels pixels_of(const std::string& path, const MediaSettings& settings) {
  MediaOptions options = settings.of(Medium::image);
  options.prepare.whole = true;
  const media::Prepared prepared = prepare_file(path, options);
  const auto found = std::find_if(prepared.arrays.begin(), prepared.arrays.end(),
                                  [](const media::Array& array) { return array.name == "image0.rgb_u8"; });
  media::Pixels pixels{number(prepared.facts, "width"), number(prepared.facts, "height"), {}};
  pixels.rgb.resize(static_cast<size_t>(pixels.width) * static_cast<size_t>(pixels.height) * 3);
  if (found == prepared.arrays.end() || found->values.bytes() != std::ssize(pixels.rgb)) {
    fail(path, "expected {} bytes of pixels from its worker", pixels.rgb.size());
  }
  std::memcpy(pixels.rgb.data(), found->values.raw().data(), pixels.rgb.size());
  return pixels;
}

void draw(const GroundOptions& options, const grounding::Sighting& seen, const json::object& facts) {
  const grounding::Frame upright{grounding::Frame::Kind::upright, number(facts, "width"), number(facts, "height")};
  const auto drawing = grounding::arrange(places_in(upright, seen.found, 1), upright.width, upright.height);
  if (options.draw.ends_with(".png")) {
    return grounding::write_png(options.draw, pixels_of(seen.file, options.task.media), drawing);
  }
  const std::string format(facts.at("format").as_string());
  const std::string type = format == "JPEG"   ? "jpeg"
                           : format == "PNG"  ? "png"
                           : format == "WebP" ? "webp"
                           : format == "GIF"  ? "gif"
                                              : "";
  if (type.empty()) fail(options.draw, "browsers do not show {}; draw a .png", format);
  write_text(options.draw, grounding::svg(drawing, {"image/" + type, read_file(seen.file)}));
}

void check(const GroundOptions& options, const std::vector<MediaFile>& files) {
  if (options.draw.empty()) return;
  if (!options.draw.ends_with(".png") && !options.draw.ends_with(".svg")) {
    fail_usage("--draw", "expected a name in .png or .svg, found '{}'", options.draw);
  }
  if (files.size() > 1) fail_usage("--draw", "draws one picture, found {}", files.size());
  if (files[0].path == "-") fail_usage("--draw", "reads the picture again: standard input cannot be");
  if (options.draw.ends_with(".png") && !grounding::has_cairo()) {
    fail_usage("--draw", "this program was built without cairo (GEMMA4_CAIRO) and draws .svg only");
  }
}

/** What a line on stderr is: the file, and what was mended or left out. */
void say(const std::string& file, std::string_view note) { fmt::print(stderr, "gemma4: {}: {}\n", file, note); }

class Grounder {
 public:
  Grounder(const GroundOptions& options, const std::optional<std::string>& phrase)
      : options_(options),
        task_(options.task, {Medium::image}),
        question_(question_of(options, phrase)),
        label_(phrase.value_or("object")),
        answer_(task_.answer_options()) {
    if (answer_.max_tokens == 0) answer_.max_tokens = kMostTokens;
  }

  void run(const std::vector<MediaFile>& files) {
    task_.for_each(files, [&](const MediaFile& file, const std::shared_ptr<const Media>& media) {
      const grounding::Sighting seen = look(file, *media, media);
      if (!options_.draw.empty()) draw(options_, seen, media->facts);
      if (!options_.coco.empty()) sightings_.push_back(seen);
      if (!options_.task.json) print(seen, files.size() > 1);
    });
    if (!options_.coco.empty()) write_text(options_.coco, write_json(coco(sightings_), 2) + "\n");
  }

 private:
  /** Before the first question: a schema needs the tokenizer. */
  void hold_answers() {
    if (answer_.mask || !options_.strict.value_or(options_.task.json)) return;
    if (!options_.strict && !has_grammars()) return;  // not asked for: what comes is checked all the same
    const std::string schema =
        options_.point ? grounding::point_schema(kMostEntries) : grounding::box_schema(kMostEntries);
    hold_to_schema(answer_, task_.session(), parse_json(schema).value(), Fence::either);
  }

  grounding::Sighting look(const MediaFile& file, const Media& facts, const std::shared_ptr<const Media>& media) {
    hold_answers();
    const Answer answer = task_.ask({media}, question_, answer_);
    Result<grounding::Findings> findings = grounding::read_findings(answer.text, label_);
    if (!findings) fail(file.path, "{}", findings.failure().message());
    for (const std::string& note : findings.value().notes) say(file.path, note);
    if (answer.finish == Finish::length) say(file.path, "the answer has as many tokens as it may (--max-tokens)");
    using Medium = grounding::Frame::Kind;
    const int tag = number(facts.facts, "orientation");
    grounding::Sighting seen;
    seen.file = file.path;
    seen.frame = grounding::frame_of(options_.stored ? Medium::stored : Medium::upright, number(facts.facts, "width"),
                                     number(facts.facts, "height"), tag);
    seen.found = std::move(findings.value().found);
    seen.places = places_in(seen.frame, seen.found, tag);
    if (options_.task.json) print_json(seen, findings.value().notes, answer);
    return seen;
  }

  void print_json(const grounding::Sighting& seen, const std::vector<std::string>& notes, const Answer& answer) {
    json::object out = to_json(seen);
    out["notes"] = json::array(notes.begin(), notes.end());
    out["finish"] = answer.finish ? name_of(*answer.finish) : "";
    out["prompt_tokens"] = answer.prompt_tokens;
    out["tokens"] = answer.tokens;
    out["seconds"] = answer.seconds;
    fmt::print("{}\n", write_json(out));
    if (std::fflush(stdout) != 0) fail("stdout", "cannot write the answer");
  }

  void print(const grounding::Sighting& seen, bool named) {
    if (named) fmt::print("{}:\n", seen.file);
    fmt::print("{}", table(seen.places));
    if (std::fflush(stdout) != 0) fail("stdout", "cannot write the answer");
    if (seen.places.empty()) say(seen.file, "nothing found");
  }

  const GroundOptions& options_;
  Task task_;
  std::string question_, label_;
  AnswerOptions answer_;
  std::vector<grounding::Sighting> sightings_;
};

void run(GroundOptions options) {
  const std::optional<std::string> phrase = take_phrase(options.words);
  const char* command = options.point ? "point" : "detect";
  if (options.words.empty()) fail_usage(command, "no such file: '{}'", *phrase);
  if (options.point && !phrase) fail_usage(command, "expected what to point to behind the pictures, in quotes");
  const std::vector<MediaFile> files = files_of(Medium::image, options.words);
  check(options, files);
  Grounder(options, phrase).run(files);
}

void add(CLI::App& app, bool point) {
  auto options = std::make_shared<GroundOptions>();
  options->point = point;
  CLI::App* command = app.add_subcommand(point ? "point" : "detect",
                                         point ? "Point to things in pictures" : "Find things in pictures, as boxes");
  command->add_option("words", options->words, "Pictures, and what to look for in quotes")
      ->option_text(point ? "IMAGE... WHAT" : "IMAGE... [WHAT]")
      ->required();
  command->add_option("--draw", options->draw, "Draws them on the picture")->type_name("FILE.png|svg");
  command->add_option("--coco", options->coco, "Writes a COCO data set of all pictures")->type_name("FILE");
  command->add_flag("--stored", options->stored, "Pixels of the file as stored, not as it is turned to be seen");
  command->add_flag_function(
      "--strict,!--no-strict", [options](int64_t count) { options->strict = count > 0; },
      "Nothing but such JSON can come (default with --json)");
  add_task_options(*command, options->task, {Medium::image});
  command->footer(point ? kPointExamples : kDetectExamples);
  command->callback([options] { run(*options); });
}

}  // namespace

void add_detect(CLI::App& app) { add(app, false); }
void add_point(CLI::App& app) { add(app, true); }

}  // namespace gemma::app
