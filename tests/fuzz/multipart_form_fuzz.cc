// SPDX-License-Identifier: Apache-2.0
// Forms with files: the first line is the content type, the rest the body. What is read is in the body, part by part.
// Links: serve
#include <algorithm>
#include <string>

#include "fuzz/fuzz.h"
#include "serve/multipart_form.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gemma::fuzz::refuses_or_reads([&] {
    const std::string_view all = gemma::fuzz::text(data, size);
    const std::string_view type = all.substr(0, all.find('\n'));
    gemma::serve::HttpRequest request;
    request.headers.emplace_back("content-type", type);
    request.body = all.substr(std::min(all.size(), type.size() + 1));
    const auto parts = gemma::serve::read_form(type, request.body);
    size_t sum = 0;
    for (const auto& part : parts ? parts.value() : std::vector<gemma::serve::FormPart>()) {
      sum += part.bytes.size();
      if (request.body.find(part.bytes) == std::string::npos) __builtin_trap();
    }
    if (sum > request.body.size()) __builtin_trap();
    const auto form = gemma::serve::read_form_fields(request, {"stream", "temperature"});
    if (!form) return;
    if (!parts) __builtin_trap();
    if (!gemma::parse_json(gemma::write_json(form.value().fields))) __builtin_trap();
    gemma::serve::Fields fields(form.value().fields);
    const auto* file = form.value().file("file", fields);
    if (file != nullptr && file->filename.empty()) __builtin_trap();
  });
}
