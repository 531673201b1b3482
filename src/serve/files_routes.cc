// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <utility>

#include "media/kind.h"
#include "serve/file_store.h"
#include "serve/files.h"
#include "serve/multipart_form.h"
#include "serve/openai_page.h"
#include "serve/openai_wire.h"

namespace gemma::serve {
namespace {

constexpr int kMostListed = 10'000;
constexpr size_t kLongestName = 255;                       // as file systems have it
constexpr int64_t kShortest = 3600, kLongest = 2'592'000;  // seconds until a file expires

json::object file_object(const KeptFile& file) {
  json::object out{
      {"id", file.id},         {"object", "file"},        {"bytes", file.bytes},  {"created_at", file.created},
      {"filename", file.name}, {"purpose", file.purpose}, {"status", "processed"}};
  if (file.expires > 0) out["expires_at"] = file.expires;
  return out;
}

void respond(const Call& call, const json::object& object) {
  HttpResponse response;
  response.body = write_json(object);
  call.responder->respond(std::move(response));
}

void refuse(const Call& call, const Refusal& refusal) { call.responder->respond(openai_error(refusal)); }

/** Seconds since 1970, 0 for never: {"anchor": "created_at", "seconds": N}. */
int64_t read_expiry(Fields& fields, int64_t now) {
  const json::object* expiry = fields.object("expires_after");
  if (expiry == nullptr) return 0;
  Fields inside(*expiry, "expires_after");
  if (!inside.word("anchor", {"created_at"})) inside.fail("anchor", "is missing");
  const auto seconds = inside.integer("seconds", kShortest, kLongest);
  if (!seconds) inside.fail("seconds", "is missing");
  if (auto failure = inside.failure()) fields.fail(std::move(*failure));
  return now + seconds.value_or(0);
}

/** Files are for requests to look at or to hear: what nothing here would read is not taken. */
void check_kind(Fields& fields, std::string_view purpose, const std::string& content) {
  const auto kind = media::kind_of(std::as_bytes(std::span(content)));
  if (!kind) fields.fail("file", "expected a picture, sound or film");
  if (kind == Medium::audio && purpose == "vision") fields.fail("purpose", "expected user_data, for it is sound");
}

void upload(Call& call) {
  auto form = read_form_fields(call.request, {"expires_after"});
  if (!form) return refuse(call, form.failure());
  call.request.body = {};
  Fields fields(form.value().fields);
  const int64_t now = seconds_now();
  KeptFile file{new_id("file-"), call.owner(), {}, {}, 0, now, read_expiry(fields, now)};
  file.purpose = fields.word("purpose", {"user_data", "vision"}).value_or("");
  if (file.purpose.empty()) fields.fail("purpose", "is missing");
  const FormPart* content = form.value().file("file", fields);
  if (content != nullptr) check_kind(fields, file.purpose, content->bytes);
  if (content != nullptr && content->filename.size() > kLongestName) {
    fields.fail("file",
                fmt::format("expected a name of at most {} bytes, found {}", kLongestName, content->filename.size()));
  }
  if (const auto failure = fields.failure()) return refuse(call, *failure);
  file.name = content->filename;
  file.bytes = static_cast<int64_t>(content->bytes.size());
  if (const auto failure = call.service.files()->add(file, content->bytes, now)) {
    if (!failure->field.empty()) return refuse(call, {413, *failure});
    return refuse(call, {500, {"", "the file cannot be kept: " + failure->reason}});
  }
  respond(call, file_object(file));
}

void list(Call& call) {
  json::array all;
  if (const auto unknown = unknown_parameter(call.request.query, {"after", "order", "limit", "purpose"})) {
    return refuse(call, *unknown);
  }
  const auto purpose = query_once(call.request.query, "purpose");
  if (!purpose) return refuse(call, purpose.failure());
  for (const KeptFile& file : call.service.files()->list(call.owner(), purpose.value(), seconds_now())) {
    all.push_back(file_object(file));
  }
  auto page = openai_page(std::move(all), call.request.query, kMostListed, kMostListed);
  if (!page) return refuse(call, page.failure());
  respond(call, page.value());
}

void lost(const Call& call) { refuse(call, {404, {"", fmt::format("there is no file '{}' here", call.rest)}}); }

void send_content(const Call& call, const std::string& id) {
  auto content = call.service.files()->content(id, call.owner(), seconds_now());
  if (!content) return lost(call);
  HttpResponse response;
  response.type = "application/octet-stream";  // it is the client's, and no page of this server's
  response.headers.emplace_back("content-disposition", "attachment");
  response.body = std::move(*content);
  call.responder->respond(std::move(response));
}

void retrieve(Call& call) {
  constexpr std::string_view kContent = "/content";
  if (call.rest.ends_with(kContent)) {
    return send_content(call, percent_decoded(call.rest.substr(0, call.rest.size() - kContent.size())));
  }
  const auto file = call.service.files()->find(percent_decoded(call.rest), call.owner(), seconds_now());
  if (!file) return lost(call);
  respond(call, file_object(*file));
}

void forget(Call& call) {
  const std::string id = percent_decoded(call.rest);
  const auto removed = call.service.files()->remove(id, call.owner(), seconds_now());
  if (!removed) return refuse(call, {500, {"", "the file cannot be deleted: " + removed.failure().reason}});
  if (!removed.value()) return lost(call);
  respond(call, {{"id", id}, {"object", "file"}, {"deleted", true}});
}

}  // namespace

FileFinder files_of(const Call& call) {
  const int64_t most = call.service.options().media.fetched_bytes;
  return [store = call.service.files(), owner = call.owner(), most,
          bytes = int64_t{0}](std::string_view id) mutable -> Result<std::string> {
    const auto file = store->find(id, owner, seconds_now());
    auto content = file && bytes + file->bytes <= most ? store->content(id, owner, seconds_now()) : std::nullopt;
    if (file && bytes + file->bytes > most) {
      return Failure{"", fmt::format("the files of the request have more than {} bytes (--body-limit)", most)};
    }
    if (!content) return Failure{"", fmt::format("there is no file '{}' here", id)};
    bytes += file->bytes;
    return std::move(*content);
  };
}

std::vector<Route> files_routes() {
  return {{"POST", "/v1/files", upload, openai_error},
          {"GET", "/v1/files", list, openai_error},
          {"GET", "/v1/files/{}", retrieve, openai_error},
          {"GET", "/v1/files/{}/content", retrieve, openai_error},
          {"DELETE", "/v1/files/{}", forget, openai_error}};
}

}  // namespace gemma::serve
