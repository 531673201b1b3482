// SPDX-License-Identifier: Apache-2.0
#include "serve/file_part.h"

#include <utility>

#include "media/kind.h"
#include "serve/base64.h"

namespace gemma::serve {

std::optional<std::string> read_file_id(Fields& part, const FileFinder& files) {
  const auto id = part.text("file_id");
  if (!id) return std::nullopt;
  auto bytes = files ? files(*id) : Result<std::string>(Failure{"", "files are not kept here"});
  if (bytes) return std::move(bytes).value();
  part.fail("file_id", bytes.failure().reason);
  return std::nullopt;
}

std::optional<MediaSource> read_file_part(Fields& part, const std::string& where, const FileFinder& files) {
  auto bytes = read_file_id(part, files);
  const auto data = part.text("file_data");
  part.text("filename");  // the bytes say what it is
  if (part.failure()) return std::nullopt;
  if (bytes.has_value() == data.has_value()) {
    part.fail("file_id", "expected file_id or file_data, one of them");
    return std::nullopt;
  }
  if (data) {
    bytes = base64_decoded(data->starts_with("data:") ? std::string_view(*data).substr(data->find(',') + 1) : *data);
    if (!bytes) part.fail("file_data", "expected base64");
    if (!bytes) return std::nullopt;
  }
  const auto kind = media::kind_of(std::as_bytes(std::span(*bytes)));
  if (kind) return MediaSource{*kind, where, std::move(*bytes), 0};
  part.fail(data ? "file_data" : "file_id", "expected a picture, sound or film");
  return std::nullopt;
}

}  // namespace gemma::serve
