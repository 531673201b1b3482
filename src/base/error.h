// SPDX-License-Identifier: Apache-2.0
// Three kinds of trouble, three answers (docs/architecture.md, "Errors").
//
//   A file or a setting is wrong while something is loaded or converted:  fail("model.gguf", "tensor '{}': ...", name)
//   A request is wrong (chat, schema, HTTP):                              return Failure{"messages[2].role", "..."}
//   Our own invariant is broken:                                          GEMMA_CHECK(cond, "what must hold")
//
// A message names what, where, expected and found, in one line, and can be acted on.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace gemma {

/** What `fail` throws; caught at the edges only (main, a server handler, a language binding, tests). */
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/** The command line asks for something that cannot be meant: exit status 2 instead of 1. */
class UsageError : public Error {
 public:
  using Error::Error;
};

/** Throws Error("where: what"). The only `throw`s of the project are behind this function and fail_usage. */
[[noreturn]] void fail_message(std::string_view where, std::string_view what);

template <class... Args>
[[noreturn]] void fail(std::string_view where, fmt::format_string<Args...> what, Args&&... args) {
  fail_message(where, fmt::format(what, std::forward<Args>(args)...));
}

[[noreturn]] void fail_usage_message(std::string_view option, std::string_view what);

template <class... Args>
[[noreturn]] void fail_usage(std::string_view option, fmt::format_string<Args...> what, Args&&... args) {
  fail_usage_message(option, fmt::format(what, std::forward<Args>(args)...));
}

[[noreturn]] void check_failed(const char* condition, std::string_view what, const char* file, int line);

/** A request that cannot be served: which field, and why. */
struct Failure {
  std::string field;   // "messages[2].content", "" where the whole is meant
  std::string reason;  // "expected a string, found a number"
  std::string message() const { return field.empty() ? reason : field + ": " + reason; }
};

/** A value, or the reason why there is none. */
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Failure failure) : state_(std::move(failure)) {}
  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  const Failure& failure() const { return std::get<1>(state_); }

 private:
  std::variant<T, Failure> state_;
};

}  // namespace gemma

#define GEMMA_CHECK(condition, what) \
  ((condition) ? void(0) : ::gemma::check_failed(#condition, what, __FILE__, __LINE__))
