// SPDX-License-Identifier: Apache-2.0
// gemma4 detect, gemma4 point: where things are in pictures, as boxes and points.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/pixels.h"
#include "gemma4/schema.h"
#include "gemma4/targets.h"
#include "gemma4/task.h"
#include "grounding/drawing.h"
#include "grounding/report.h"

namespace gemma::app {
namespace {

constexpr const char* kDetectExamples = R"(Examples:
  gemma4 detect street.jpg -m model-folder                  everything, as a table
  gemma4 detect street.jpg "the bike" --draw bike.png
  gemma4 detect *.jpg "person and car" --draw out/          out/NAME.png for each; 'out/*.svg' draws SVG
  gemma4 detect *.jpg "traffic lights" --json --coco lights.json --image-budget 1120
  gemma4 detect photo.jpg "faces" --stored                  pixels of the file, its turn undone
The last word is what is looked for, where it is no file; without one: everything.)";
constexpr const char* kPointExamples = R"(Examples:
  gemma4 point screen.png "view recipe button" -m model-folder
  gemma4 point screen.png "the search field" --json
  gemma4 point crowd.jpg "every hat" --draw hats.svg)";

constexpr int kMostTokens = 4096;  // of an answer, where --max-tokens does not say; a model may find no end
constexpr int kMostEntries = 200;
constexpr const char* kCut = "; it was cut (--max-tokens)";

struct GroundOptions {
  TaskOptions task;
  std::vector<std::string> words;
  std::string coco, draw;
  std::optional<bool> strict;  // none: with --json
  bool point = false, stored = false;
};

/** As Google documents it (docs/grounding.md): boxes in the words of Gemma's own page, points in those of the page
 * about pointing, for Gemma's pages have none. */
std::string question_of(const GroundOptions& options, const std::optional<std::string>& phrase) {
  if (options.point) {
    return fmt::format(
        "Point to {}. The answer should follow the json format: [{{\"point\": <point>, \"label\": <label1>}}, ...]. "
        "The points are in [y, x] format normalized to 0-1000.",
        *phrase);
  }
  return fmt::format("detect {}, output only ```json", phrase.value_or("all prominent objects"));
}

void check(const GroundOptions& options, const Targets& drawings) {
  for (const std::string& file : options.words) {
    if (drawings.empty()) return;
    const std::string& target = drawings.of(file);
    if (!target.ends_with(".png") && !target.ends_with(".svg")) {
      fail_usage("--draw", "expected a name in .png or .svg, or a folder ('out/'), found '{}'", options.draw);
    }
    if (file == "-") fail_usage("--draw", "reads the picture again: standard input cannot be");
    if (target.ends_with(".png") && !grounding::has_cairo()) {
      fail_usage("--draw", "this program was built without cairo and Pango (GEMMA4_CAIRO) and draws .svg only");
    }
  }
}

/** A line on stderr about a file: what was mended or left out. */
void say(const std::string& name, std::string_view what) { note(fmt::format("{}: {}", name, what)); }

class Grounder {
 public:
  Grounder(const GroundOptions& options, const std::optional<std::string>& phrase)
      : options_(options), question_(question_of(options, phrase)), label_(phrase.value_or("object")) {
    if (!options.draw.empty()) {
      const char* ending = grounding::has_cairo() ? ".png" : ".svg";
      drawings_ = Targets("--draw", options.draw, options.words, ending);
    }
    if (!options.coco.empty()) coco_ = Targets("--coco", options.coco, options.words);
    drawings_.keep_apart(coco_);
    check(options, drawings_);
  }

  void run() {
    Task task(options_.task, {Medium::image});
    drawings_.prepare(task.files());
    coco_.prepare(task.files());
    AnswerOptions answer = task.answer_options();
    if (answer.max_tokens == 0) answer.max_tokens = kMostTokens;
    task.for_each(files_of(Medium::image, options_.words), [&](const MediaFile& file, const auto& media) {
      hold_answers(task, answer);
      const Answer said = task.ask({media}, question_, answer);
      if (said.finish != Finish::cancelled) use(file.path, *media, said);
    });
    if (!sightings_.empty() && !coco_.empty()) {
      write_text(options_.coco, write_json(grounding::coco(sightings_), 2) + "\n");
    }
  }

 private:
  /** Before the first question: a schema needs the tokenizer. */
  void hold_answers(Task& task, AnswerOptions& answer) const {
    if (answer.mask || !options_.strict.value_or(options_.task.json)) return;
    (options_.point ? hold_to_points : hold_to_boxes)(answer, task.session(), kMostEntries);
  }

  void use(const std::string& file, const Media& media, const Answer& answer) {
    Result<grounding::Findings> findings = grounding::read_findings(answer.text, label_);
    const bool cut = answer.finish == Finish::length;
    if (!findings) fail(media.name, "{}{}", findings.failure().message(), cut ? kCut : "");
    for (const std::string& line : findings.value().notes) say(media.name, line);
    say_if_stopped(media.name, answer);
    const grounding::Sighting seen = sighting(file, media.facts, std::move(findings.value().found));
    options_.task.json ? print_json(seen, findings.value().notes, answer, media) : print(seen, media.name);
    if (!drawings_.empty()) draw(seen, media.facts);
    if (!coco_.empty()) sightings_.push_back(seen);
  }

  grounding::Sighting sighting(const std::string& file, const json::object& said,
                               std::vector<grounding::Finding> found) const {
    using Kind = grounding::Frame::Kind;
    const Facts facts(file, said);
    const auto tag = static_cast<int>(facts.integer("orientation", 1, 8));
    grounding::Sighting seen;
    seen.file = file;
    seen.frame = grounding::frame_of(options_.stored ? Kind::stored : Kind::upright, side(facts, "width"),
                                     side(facts, "height"), tag);
    seen.found = std::move(found);
    seen.places = places_in(seen.frame, seen.found, tag);
    return seen;
  }

  void draw(const grounding::Sighting& seen, const json::object& said) const {
    const Facts facts(seen.file, said);
    const grounding::Frame upright{grounding::Frame::Kind::upright, side(facts, "width"), side(facts, "height")};
    const auto drawing = grounding::arrange(places_in(upright, seen.found, 1), upright.width, upright.height);
    const std::string& target = drawings_.of(seen.file);
    if (target.ends_with(".svg")) {
      const ShownFile shown = shown_file(seen.file, said, options_.task.media);
      return write_text(target, grounding::svg(drawing, {shown.type, shown.bytes}));
    }
    const auto missing = grounding::write_png(target, pixels_of(seen.file, options_.task.media), drawing);
    if (!missing.empty()) {
      say(target, fmt::format("no font that is installed has the letters {}; SVG is drawn with the viewer's", missing));
    }
  }

  void print_json(const grounding::Sighting& seen, const std::vector<std::string>& notes, const Answer& answer,
                  const Media& media) {
    json::object out = to_json(seen);
    out["notes"] = json::array(notes.begin(), notes.end());
    add_end(out, answer, media);
    fmt::print("{}\n", write_json(out));
    if (std::fflush(stdout) != 0) fail("stdout", "cannot write the answer");
  }

  void print(const grounding::Sighting& seen, const std::string& name) const {
    if (options_.words.size() > 1) print_heading(name);
    fmt::print("{}", table(seen.places));
    if (std::fflush(stdout) != 0) fail("stdout", "cannot write the answer");
    if (seen.places.empty()) say(name, "nothing found");
  }

  const GroundOptions& options_;
  std::string question_, label_;
  Targets drawings_, coco_;
  std::vector<grounding::Sighting> sightings_;
};

void run(GroundOptions options) {
  const char* command = options.point ? "point" : "detect";
  const std::optional<std::string> phrase = take_phrase(command, options.words);
  std::error_code error;
  const bool missing = !phrase && options.words.size() > 1 && options.words.back() != "-" &&
                       !std::filesystem::exists(options.words.back(), error);
  if (missing) fail_usage(command, "no such file: '{}'", options.words.back());
  if (phrase && names_file(*phrase)) fail_usage(command, "no such file: '{}'", *phrase);
  if (options.words.empty()) {
    fail_usage(command, "expected a picture, and what to look for behind it; no such file: '{}'", *phrase);
  }
  if (options.point && !phrase) fail_usage(command, "expected what to point to behind the pictures, in quotes");
  Grounder(options, phrase).run();
}

void add(CLI::App& app, bool point) {
  auto options = std::make_shared<GroundOptions>();
  options->point = point;
  CLI::App* command = app.add_subcommand(point ? "point" : "detect",
                                         point ? "Point to things in pictures" : "Find things in pictures, as boxes");
  command->add_option("IMAGE", options->words, "Pictures (- is standard input), and what to look for in quotes")
      ->option_text(point ? "IMAGE... WHAT" : "IMAGE... [WHAT]")
      ->required()
      ->check(not_empty());
  command->add_option("--draw", options->draw, "Draws them on the picture")
      ->check(not_empty())
      ->type_name("FILE.png|svg|FOLDER/");
  command->add_option("--coco", options->coco, "Writes a COCO data set of all pictures")
      ->check(not_empty())
      ->type_name("FILE");
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
