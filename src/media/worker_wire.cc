// SPDX-License-Identifier: Apache-2.0
#include "media/worker_wire.h"

#include <utility>

namespace gemma::media {
namespace {

constexpr std::array kTypes{std::pair{std::string_view("u8"), DType::u8},
                            std::pair{std::string_view("i32"), DType::i32},
                            std::pair{std::string_view("f32"), DType::f32}};

std::optional<DType> type_of(const json::value* name) {
  if (name == nullptr || !name->is_string()) return std::nullopt;
  for (const auto& [known, dtype] : kTypes) {
    if (name->get_string() == known) return dtype;
  }
  return std::nullopt;
}

/** Row-major sizes whose product is no more than what is there. */
std::optional<Shape> shape_of(const json::value* sizes, int64_t most) {
  if (sizes == nullptr || !sizes->is_array() || sizes->get_array().empty() || sizes->get_array().size() > 4) {
    return std::nullopt;
  }
  std::vector<int64_t> dims;
  int64_t count = 1;
  for (const json::value& size : sizes->get_array()) {
    if (!size.is_int64() || size.get_int64() < 1 || size.get_int64() > most / count) return std::nullopt;
    count *= size.get_int64();
    dims.push_back(size.get_int64());
  }
  return Shape(std::span<const int64_t>(dims));
}

/** The array that lies in bytes [begin, available). */
Result<WorkerArray> array_from(const json::value& value, int64_t begin, int64_t available) {
  if (!value.is_object()) return Failure{"arrays", "expected objects"};
  const json::object& object = value.get_object();
  const json::value* name = object.if_contains("name");
  const std::optional<DType> dtype = type_of(object.if_contains("dtype"));
  const std::optional<Shape> shape = shape_of(object.if_contains("shape"), available);
  const json::value* offset = object.if_contains("offset");
  if (name == nullptr || !name->is_string() || !dtype || !shape || offset == nullptr || !offset->is_int64()) {
    return Failure{"arrays", "expected name, dtype, shape and offset"};
  }
  WorkerArray array{std::string(name->get_string()), *dtype, *shape, offset->get_int64(), 0};
  array.bytes = shape->count() * info(*dtype).bytes;
  if (array.offset < begin) return Failure{"arrays", fmt::format("'{}' begins before another ends", array.name)};
  if (array.offset > available || array.bytes > available - array.offset) {
    return Failure{"arrays", fmt::format("'{}' lies outside of the shared memory", array.name)};
  }
  return array;
}

}  // namespace

json::object to_json(const WorkerRequest& request) {
  return {{"name", request.name},
          {"memory", request.memory},
          {"cpu_seconds", request.cpu_seconds},
          {"parent", request.parent},
          {"options", to_json(request.options)}};
}

WorkerRequest request_from(std::string_view text) {
  const json::value value = parse_json_or_fail("media worker's request", text, 8);
  const json::object* object = value.if_object();
  const auto at = [&](std::string_view key) { return object == nullptr ? nullptr : object->if_contains(key); };
  const json::value *name = at("name"), *options = at("options");
  const auto number = [&](std::string_view key) {
    const json::value* found = at(key);
    if (found == nullptr || !found->is_int64()) fail("media worker's request", "'{}': expected a whole number", key);
    return found->get_int64();
  };
  if (name == nullptr || !name->is_string() || options == nullptr || !options->is_object()) {
    fail("media worker's request", "expected name and options");
  }
  return {std::string(name->get_string()), number("memory"), number("cpu_seconds"), number("parent"),
          options_from(options->get_object())};
}

json::object to_json(const WorkerAnswer& answer) {
  json::array arrays;
  for (const WorkerArray& array : answer.arrays) {
    json::array shape;
    for (int i = 0; i < array.shape.rank; ++i) shape.emplace_back(array.shape[i]);
    arrays.push_back(json::object{{"name", array.name},
                                  {"dtype", info(array.dtype).name},
                                  {"shape", std::move(shape)},
                                  {"offset", array.offset}});
  }
  return {{"facts", answer.facts}, {"arrays", std::move(arrays)}};
}

Result<WorkerAnswer> answer_from(std::string_view text, int64_t available) {
  Result<json::value> value = parse_json(text, 16);
  if (!value) return value.failure();
  const json::object* object = value.value().if_object();
  const json::value* facts = object == nullptr ? nullptr : object->if_contains("facts");
  const json::value* arrays = object == nullptr ? nullptr : object->if_contains("arrays");
  if (facts == nullptr || !facts->is_object() || arrays == nullptr || !arrays->is_array()) {
    return Failure{"", "expected facts and arrays"};
  }
  WorkerAnswer answer{facts->get_object(), {}};
  int64_t end = 0;
  for (const json::value& described : arrays->get_array()) {
    Result<WorkerArray> array = array_from(described, end, available);
    if (!array) return array.failure();
    end = array.value().offset + array.value().bytes;
    answer.arrays.push_back(std::move(array).value());
  }
  return answer;
}

}  // namespace gemma::media
