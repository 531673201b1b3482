// SPDX-License-Identifier: Apache-2.0
#include "serve/response_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "serve/json_bounds.h"

namespace gemma::serve {
namespace {

constexpr int kLongest = 10'000;  // responses in a row

bool is_on_its_way(const json::object& response) {
  const json::value* status = response.if_contains("status");
  return status != nullptr && (*status == "queued" || *status == "in_progress");
}

struct Row {
  std::string id, input, response;
};

std::optional<StoredResponse> read_row(const Row& row) {
  auto input = parse_json(row.input), response = parse_json(row.response);
  if (!input || !response || !input.value().is_array() || !response.value().is_object()) return std::nullopt;
  return StoredResponse{row.id, {}, {}, std::move(input.value().get_array()), std::move(response.value().get_object())};
}

Failure is_not_here(std::string_view id) { return {"", fmt::format("there is no response '{}' here", id)}; }

}  // namespace

int64_t ResponseStore::Held::total() const {
  int64_t sum = 0;
  for (const auto& [owner, size] : bytes) sum += size;
  return sum;
}

ResponseStore::ResponseStore(std::shared_ptr<StateFile> state, int64_t most_bytes)
    : state_(std::move(state)), most_bytes_(most_bytes) {
  const std::lock_guard lock(state_->mutex());
  Statement each = state_->run("SELECT owner, sum(bytes) FROM responses GROUP BY owner");
  while (each.step()) held_.bytes[each.text(0)] = each.number(1);
}

std::optional<StoredResponse> ResponseStore::found(std::string_view id, std::string_view owner) const {
  Statement row = state_->run("SELECT previous, input, response FROM responses WHERE id = ? AND owner = ?");
  if (!row.with(id).with(owner).step()) return std::nullopt;
  auto response = read_row({std::string(id), row.text(1), row.text(2)});
  if (!response) return std::nullopt;
  response->owner = owner;
  response->previous = row.text(0);
  return response;
}

bool ResponseStore::forget(std::string_view id) {
  Statement row = state_->run("SELECT owner, bytes FROM responses WHERE id = ?");
  if (!row.with(id).step()) return false;
  const std::string owner = row.text(0);
  const int64_t size = row.number(1);
  Statement gone = state_->run("DELETE FROM responses WHERE id = ?");
  gone.with(id).step();
  if (!gone.good()) return false;
  held_.bytes[owner] -= size;
  held_.on_their_way.erase(std::string(id));
  return true;
}

bool ResponseStore::make_room(const std::string& owner, int64_t bytes) {
  std::map<std::string, int64_t, std::less<>> claims = held_.bytes;  // of those who have something that may go
  claims[owner] += bytes;
  while (held_.total() + bytes > most_bytes_) {
    const auto most = std::ranges::max_element(claims, {}, [](const auto& claim) { return claim.second; });
    if (most == claims.end()) return false;
    Statement oldest = state_->run("SELECT id FROM responses WHERE owner = ? ORDER BY rowid");
    oldest.with(most->first);
    std::string id;
    while (id.empty() && oldest.step()) id = held_.on_their_way.contains(oldest.text(0)) ? "" : oldest.text(0);
    const int64_t before = held_.bytes[most->first];
    if (id.empty() || !forget(id)) {
      claims.erase(most);
    } else {
      most->second -= before - held_.bytes[most->first];
    }
  }
  return true;
}

std::optional<Failure> ResponseStore::put(const StoredResponse& response) {
  const std::string input = write_json(response.input), text = write_json(response.response);
  const auto size = static_cast<int64_t>(input.size() + text.size());
  if (size > most_bytes_) return Failure{"", fmt::format("{} bytes are more than is kept", size)};
  const std::lock_guard lock(state_->mutex());
  Held before = held_;
  Transaction all(*state_);
  forget(response.id);
  if (!make_room(response.owner, size)) {
    held_ = std::move(before);
    return Failure{"", "too many responses are on their way"};
  }
  Statement row = state_->run("INSERT INTO responses VALUES(?, ?, ?, ?, ?, ?)");
  row.with(response.id).with(response.owner).with(response.previous).with(input).with(text).with(size).step();
  if (row.good() && all.keep()) {
    held_.bytes[response.owner] += size;
    if (is_on_its_way(response.response)) held_.on_their_way.insert(response.id);
    return std::nullopt;
  }
  held_ = std::move(before);
  return state_->trouble();
}

std::optional<StoredResponse> ResponseStore::find(std::string_view id, std::string_view owner) {
  const std::lock_guard lock(state_->mutex());
  return found(id, owner);
}

Result<bool> ResponseStore::remove(std::string_view id, std::string_view owner) {
  const std::lock_guard lock(state_->mutex());
  if (!found(id, owner)) return false;
  if (!forget(id)) return state_->trouble();
  return true;
}

Result<json::array> ResponseStore::items_up_to(std::string_view id, std::string_view owner, int64_t most_bytes) {
  std::vector<Row> line;
  {
    const std::lock_guard lock(state_->mutex());
    int64_t bytes = 0, values = 0;
    for (std::string next(id); !next.empty();) {
      Statement row = state_->run("SELECT previous, bytes, input, response FROM responses WHERE id = ? AND owner = ?");
      if (!row.with(next).with(owner).step()) return is_not_here(next);
      bytes += row.number(1);
      if (bytes > most_bytes) return Failure{"", fmt::format("up to it there are more than {} bytes", most_bytes)};
      line.push_back({next, row.text(2), row.text(3)});
      values += most_values(line.back().input) + most_values(line.back().response);
      if (values > kMostValues) return Failure{"", fmt::format("up to it there are more than {} values", kMostValues)};
      if (std::ssize(line) > kLongest) return Failure{"", fmt::format("more than {} responses in a row", kLongest)};
      next = row.text(0);
    }
  }
  json::array items;
  for (auto each = line.rbegin(); each != line.rend(); ++each) {
    const auto response = read_row(*each);
    if (!response) return is_not_here(each->id);
    if (is_on_its_way(response->response)) {
      return Failure{"", fmt::format("the response '{}' is still on its way", each->id)};
    }
    items.insert(items.end(), response->input.begin(), response->input.end());
    if (const json::value* output = response->response.if_contains("output"); output && output->is_array()) {
      items.insert(items.end(), output->get_array().begin(), output->get_array().end());
    }
  }
  return items;
}

int64_t ResponseStore::bytes() {
  const std::lock_guard lock(state_->mutex());
  return held_.total();
}

}  // namespace gemma::serve
