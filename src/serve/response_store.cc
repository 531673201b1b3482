// SPDX-License-Identifier: Apache-2.0
#include "serve/response_store.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace gemma::serve {
namespace {

constexpr int kLongest = 10'000;  // responses in a row

}  // namespace

ResponseStore::ResponseStore(std::shared_ptr<StateFile> state, int64_t most_bytes)
    : state_(std::move(state)), most_bytes_(most_bytes) {
  const std::lock_guard lock(state_->mutex());
  bytes_ = state_->number("SELECT coalesce(sum(bytes), 0) FROM responses");
}

std::optional<StoredResponse> ResponseStore::found(std::string_view id, std::string_view owner) const {
  Statement row = state_->run("SELECT previous, input, response FROM responses WHERE id = ? AND owner = ?");
  if (!row.with(id).with(owner).step()) return std::nullopt;
  auto input = parse_json(row.text(1)), response = parse_json(row.text(2));
  if (!input || !response || !input.value().is_array() || !response.value().is_object()) return std::nullopt;
  return StoredResponse{std::string(id), std::string(owner), row.text(0), std::move(input.value().get_array()),
                        std::move(response.value().get_object())};
}

bool ResponseStore::forget(std::string_view id) {
  Statement row = state_->run("SELECT bytes FROM responses WHERE id = ?");
  if (!row.with(id).step()) return false;
  const int64_t size = row.number(0);
  Statement gone = state_->run("DELETE FROM responses WHERE id = ?");
  gone.with(id).step();
  if (gone.good()) bytes_ -= size;
  return gone.good();
}

std::optional<Failure> ResponseStore::put(const StoredResponse& response) {
  const std::string input = write_json(response.input), text = write_json(response.response);
  const auto size = static_cast<int64_t>(input.size() + text.size());
  if (size > most_bytes_) return Failure{"", fmt::format("{} bytes are more than is kept", size)};
  const std::lock_guard lock(state_->mutex());
  const int64_t before = bytes_;
  Transaction all(*state_);
  forget(response.id);
  while (bytes_ + size > most_bytes_) {
    Statement oldest = state_->run("SELECT id FROM responses ORDER BY rowid LIMIT 1");
    if (!oldest.step() || !forget(oldest.text(0))) break;
  }
  Statement row = state_->run("INSERT INTO responses VALUES(?, ?, ?, ?, ?, ?)");
  row.with(response.id).with(response.owner).with(response.previous).with(input).with(text).with(size).step();
  if (row.good() && all.keep()) {
    bytes_ += size;
    return std::nullopt;
  }
  bytes_ = before;
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

Result<json::array> ResponseStore::items_up_to(std::string_view id, std::string_view owner) {
  std::vector<StoredResponse> line;
  {
    const std::lock_guard lock(state_->mutex());
    for (std::string next(id); !next.empty(); next = line.back().previous) {
      auto response = found(next, owner);
      if (!response) return Failure{"", fmt::format("there is no response '{}' here", next)};
      const json::value* status = response->response.if_contains("status");
      if (status != nullptr && (*status == "queued" || *status == "in_progress")) {
        return Failure{"", fmt::format("the response '{}' is still on its way", next)};
      }
      if (line.size() >= kLongest) return Failure{"", fmt::format("more than {} responses in a row", kLongest)};
      line.push_back(std::move(*response));
    }
  }
  json::array items;
  for (auto each = line.rbegin(); each != line.rend(); ++each) {
    items.insert(items.end(), each->input.begin(), each->input.end());
    if (const json::value* output = each->response.if_contains("output"); output != nullptr && output->is_array()) {
      items.insert(items.end(), output->get_array().begin(), output->get_array().end());
    }
  }
  return items;
}

int64_t ResponseStore::bytes() {
  const std::lock_guard lock(state_->mutex());
  return bytes_;
}

}  // namespace gemma::serve
