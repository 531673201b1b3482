// SPDX-License-Identifier: Apache-2.0
// Films to frames of one size, with their times, and the sound that belongs to each.
//
//   Film film = decode_film(*file_source("goal.mp4"), {});
//   for (const TimedFrame& frame : film.frames) use(time_stamp(frame.seconds), frame.pixels);
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "media/image.h"
#include "media/image_size.h"
#include "media/resize.h"
#include "media/sound.h"

namespace gemma::media {

inline constexpr int kDefaultFrames = 32;

/** spread: evenly. scenes: one of each scene, of the longest ones more. */
enum class FrameChoice : uint8_t { spread, scenes };

/** Which frames are looked at. */
struct FrameRule {
  int max_frames = 0;  // spread evenly, the reference's rule; all of them where there are fewer; 0: kDefaultFrames
  double fps = 0;      // above 0: so many a second, and spread evenly where these are more than max_frames
  FrameChoice choice = FrameChoice::spread;
  /** Above 0: as many frames as this many tokens hold with their time stamps and the sound, and max_frames only where
   * it is set. */
  int64_t tokens = 0;
};

struct FilmOptions {
  FrameRule rule;
  int budget = kDefaultFrameBudget;  // soft tokens of a frame
  Grid grid;
  ResizeRule resize = ResizeRule::torch;
  bool with_sound = false;             // the sound is to be within rule.tokens, too
  int64_t max_bytes = 64'000'000'000;  // of the file
  int64_t max_pixels = 50'000'000;     // of a frame as it is stored
  double max_seconds = 14400;
};

struct TimedFrame {
  int64_t index = 0;   // among all frames of the film
  double seconds = 0;  // from its beginning
  Pixels pixels;       // turned and resized
};

struct Film {
  std::vector<TimedFrame> frames;
  std::string format;         // "MP4"
  int64_t total_frames = 0;   // of the film
  double fps = 0;             // its mean
  double seconds = 0;         // its length
  int width = 0, height = 0;  // as it is seen, before resizing
  bool has_sound = false;
  bool sound_fits = true;  // within rule.tokens
  TargetSize size;         // of each frame
};

/** Fails with the file's name and one line; so for files without pictures. */
Film decode_film(const ByteSource& source, const FilmOptions& options);

/** Indices of the frames to look at, given when each is shown (rising). */
std::vector<int64_t> choose_frames(std::span<const double> times, double length, const FrameRule& rule);

/** What goes with a frame in a prompt, at most: its time stamp and what it stands between; with a clip of sound, that
 *  and what its last part is filled up with. */
inline constexpr int kTokensBesideFrame = 9, kTokensBesideClip = 3;
inline constexpr int kSoundTokensPerSecond = 25;
/** How many frames fit so many tokens, and whether the sound does: it stays where it leaves half of them. 0 frames: not
 *  even one. */
struct TokenPlan {
  int64_t frames = 0;
  bool sound = false;
};
TokenPlan plan_tokens(int64_t tokens, int frame_soft_tokens, double sound_seconds);

/** A frame that was compared to the one before it: 0 the same, 1 black and white. */
struct Change {
  int64_t index = 0;  // of the frame
  double seconds = 0;
  float change = 0;
};
/** At most n of `total` frames, rising: of every scene the middle one where the scenes are not more than n, else of
 * those that begin with the largest changes; what is left goes to the longest. */
std::vector<int64_t> choose_scenes(std::span<const Change> changes, double length, int64_t total, int64_t n);

/** "mm:ss", as it stands before a frame in the prompt: whole seconds, two digits or more each. */
std::string time_stamp(double seconds);

/** Which samples belong to each of the frames shown at `times`: from its time to the next one's, for the first from the
 *  beginning, for the last to the end. As many as frames; none overlap and nothing is left out. */
struct SoundPiece {
  int64_t begin = 0, end = 0;
};
std::vector<SoundPiece> cut_sound(int64_t samples, std::span<const double> times);

}  // namespace gemma::media
