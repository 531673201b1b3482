// SPDX-License-Identifier: Apache-2.0
#include "serve/file_part.h"

#include <fmt/format.h>

#include <utility>

#include "media/kind.h"
#include "serve/base64.h"
#include "serve/messages.h"

namespace gemma::serve {

std::optional<std::string> read_file_id(Fields& part, const FileFinder& files) {
  const auto id = part.text("file_id");
  if (!id) return std::nullopt;
  auto bytes = files ? files(*id) : Result<std::string>(Failure{"", "files are not kept here"});
  if (bytes) return std::move(bytes).value();
  part.fail("file_id", bytes.failure().reason);
  return std::nullopt;
}

std::optional<MediaSource> read_file_part(Fields& part, const std::string& where, const FileFinder& files,
                                          FileAddresses addresses) {
  auto bytes = read_file_id(part, files);
  const auto data = part.text("file_data");
  const auto url = addresses == FileAddresses::taken ? part.text("file_url") : std::nullopt;
  part.text("filename");  // the bytes say what it is
  if (part.failure()) return std::nullopt;
  const auto refuse = [&](std::string_view field, std::string why) -> std::optional<MediaSource> {
    part.fail(field, std::move(why));
    return std::nullopt;
  };
  if (int{bytes.has_value()} + int{data.has_value()} + int{url.has_value()} != 1) {
    const bool two = addresses == FileAddresses::none;
    return refuse("file_id", fmt::format("expected {}, one of them",
                                         two ? "file_id or file_data" : "file_id, file_data or file_url"));
  }
  MediaSource source{media::Kind::image, where, std::move(bytes).value_or(""), 0};
  if (data) {
    auto sent =
        base64_decoded(data->starts_with("data:") ? std::string_view(*data).substr(data->find(',') + 1) : *data);
    if (!sent) return refuse("file_data", "expected base64");
    source.bytes = std::move(*sent);
  }
  if (url) {
    if (auto failure = take_url(source, *url, part.name_of("file_url"))) {
      part.fail(std::move(*failure));
      return std::nullopt;
    }
    source.any_kind = !source.address.empty();
    if (source.any_kind) return source;
  }
  const auto kind = media::kind_of(std::as_bytes(std::span(source.bytes)));
  if (!kind) return refuse(url ? "file_url" : data ? "file_data" : "file_id", "expected a picture, sound or film");
  source.kind = *kind;
  return source;
}

}  // namespace gemma::serve
