// SPDX-License-Identifier: Apache-2.0
// Pictures, sound and film that a person hands to a command with a model: from options and paths to what a prompt
// takes.
//
//   MediaInputs inputs;
//   add_media_inputs(command, inputs);                        // --image --audio --video, --image-budget, ...
//   const ModelFiles files = ModelFiles::open(session);       // no weights yet
//   MediaReader reader(files, inputs.settings);
//   const MediaList media = reader.read_all(inputs.files);    // decoded in a worker process
//   Session::open(session, files, Senses::of(media));
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma4/media_options.h"
#include "gemma4/session.h"

namespace gemma::app {

struct MediaFile {
  Medium kind = Medium::image;
  std::string path;  // "-": standard input
};

/** Fails where standard input would be read twice. */
void check_standard_input(const std::vector<MediaFile>& files);

struct MediaInputs {
  std::vector<MediaFile> files;  // in the order of the command line, once it is parsed
  MediaSettings settings;
};

/** `inputs` lives as long as the command. */
void add_media_inputs(CLI::App& command, MediaInputs& inputs);

class MediaReader {
 public:
  MediaReader(const ModelFiles& files, MediaSettings settings) : files_(files), settings_(std::move(settings)) {}

  /** Fails with one line: no such file, not of this kind, a model that cannot take it, an address of the web. */
  std::shared_ptr<const Media> read(const MediaFile& file) const;
  /** One that is open already. */
  std::shared_ptr<const Media> read(Medium kind, const File& file) const;
  /** All of one turn; fails at the first that has no room in a context of so many tokens (0: not known). */
  MediaList read_all(const std::vector<MediaFile>& files, int64_t context) const;
  /** What parts of messages name by "path" ("image_url" and "url" too, with file://), in order. */
  MediaList read_parts(const json::array& messages, int64_t context) const;

 private:
  const ModelFiles& files_;
  MediaSettings settings_;
};

/** Tokens that a context can have at most, before it is known what memory leaves of them; 0: not known. */
int64_t most_tokens(const SessionOptions& options, const ModelFiles& files);
/** Why something has no room behind what is there already; "" where it has. */
std::string fault_in_room(const Media& media, const MediaList& there, int64_t context);

/** What a person should be told of it, a line each: that it is silent, that it is heard in pieces, which budget was
 *  chosen for it, that it holds other pictures, too. `name`: what it is called there. */
std::vector<std::string> notes_of(const Media& media, const std::string& name);

/** A turn with media before its words; parts say where they are from. */
json::object message(std::string_view role, std::string_view text, const MediaList& media);

/** A path as terminals paste it: in quotes, with blanks escaped, from ~, as a file:// address. */
std::string unquoted(std::string_view pasted);
/** "file:///my%20cat.jpg" as a path; what is no such address as it is. */
std::string local_path(std::string_view address);
/** Paths one behind the other, as terminals paste several files that are dropped. */
std::vector<std::string> pasted_words(std::string_view line);
/** The kind that the ending of a name stands for; nullopt where that is of no kind that is read. */
std::optional<Medium> kind_by_name(const std::string& path);
/** Whether a word is the name of a picture, sound or film, by its ending or its place ("./", "/", "~/"), there or not.
 */
bool named_like_a_file(const std::string& word);
/** The same of a file that is there. */
std::optional<Medium> kind_of_file(const std::string& path);

}  // namespace gemma::app
