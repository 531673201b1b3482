// SPDX-License-Identifier: Apache-2.0
// Files that a command is about to write.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "file/model_file.h"
#include "gemma4/session.h"

namespace gemma::app {

/** Whether both names lead to one file that is there. */
bool same_file(const std::string& a, const std::string& b);
/** Fails when a file of the model is at `path`. */
void keep_model(const std::string& path, const ModelFile& model);
/** Fails when nothing can be written at `path`: before the work, not after it. Leaves what is there as it is. */
void check_writable(const std::string& path);

/** Where what is made of each file goes.
 *
 *    const Targets drawings("--draw", "out/", files, ".png");   // before any work: out/street.png for street.jpg
 *    drawings.prepare(model_files);
 *    write_text(drawings.of("street.jpg"), ...); */
class Targets {
 public:
  Targets() = default;  // nowhere
  /** `place` is a file where there is one to read, a folder ("out/", or one that is there: each gets the file's name
   * and `ending`) or a pattern ("out/[].svg" with a star for []): the star is the file's name without its ending. Wrong
   *  usage of `option` where two would have one place. */
  Targets(std::string option, std::string place, const std::vector<std::string>& files, const std::string& ending);
  /** One file, made of all of them. */
  Targets(std::string option, std::string place, const std::vector<std::string>& files);

  /** Makes the folder. Fails when one of the targets is a file that is read or one of the model, or cannot be written.
   */
  void prepare(const ModelFiles& model) const;
  /** Fails when both would write to one place. */
  void keep_apart(const Targets& others) const;
  bool empty() const { return paths_.empty(); }
  const std::string& of(const std::string& file) const { return paths_.at(file); }

 private:
  std::string option_, place_;
  std::map<std::string, std::string> paths_;  // by what is read
};

/** Writes a file, whole or not at all. */
void write_text(const std::string& path, std::string_view text);

}  // namespace gemma::app
