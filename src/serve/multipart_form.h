// SPDX-License-Identifier: Apache-2.0
// A form with files, as fields that are read by name (serve/fields.h) and files beside them.
//
//   auto form = read_form_fields(request, {"temperature"});
//   Fields fields(form.value().fields);
//   const FormPart* sound = form.value().file("file", fields);
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "serve/fields.h"
#include "serve/http/message.h"
#include "serve/multipart.h"

namespace gemma::serve {

struct Form {
  json::object fields;  // "a[]" as an array "a", "a[b]" as an object "a"; of a file its name
  std::vector<FormPart> files;

  /** The file in a field; null where it is not there, or no file: `fields` knows then. */
  const FormPart* file(std::string_view name, Fields& named) const;
};

/** plain: the fields in which a number, true or false is one, and no text. */
Result<Form> read_form_fields(const HttpRequest& request, std::initializer_list<std::string_view> plain);

}  // namespace gemma::serve
