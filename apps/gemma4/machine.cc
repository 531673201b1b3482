// SPDX-License-Identifier: Apache-2.0
#include "gemma4/machine.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread_pool.h"

namespace gemma::app {
namespace {

/** What is wrong with so many threads; "" for nothing. */
std::string fault_in_threads(std::string_view text) {
  const int cores = physical_cores();
  int threads = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
  if (error == std::errc() && end == text.data() + text.size() && threads >= 1 && threads <= cores) return "";
  return fmt::format("expected 1 to {} (the cores there are), found {}", cores, text);
}

/** Of --mmap: nothing at all may be held, too. */
std::optional<int64_t> most_held(const std::string& text) { return text == "0" ? 0 : parse_bytes(text); }

std::string fault_in_size(const std::string& text) {
  if (parse_bytes(text)) return "";
  return fmt::format("expected a size such as 3GB, 2.5GiB or 80%, found '{}'", text);
}

}  // namespace

void add_threads_option(CLI::App& command, int& threads) {
  command.add_option("-t,--threads", threads, "Threads (default: physical cores)")
      ->check(CLI::Validator([](const std::string& text) { return fault_in_threads(text); }, ""));
}

void add_machine_options(CLI::App& command, MachineOptions& options) {
  add_threads_option(command, options.threads);
  command.add_option("--memory", options.memory, "Hold at most this: 3GB, 2.5GiB, 80% (of what the machine has)")
      ->check(CLI::Validator(fault_in_size, ""));
  command
      .add_flag("--mmap", options.mmap,
                "Leave in the file the weights that memory has no room for, or all beyond --mmap=SIZE: slower, the "
                "same text")
      ->check(CLI::Validator(
          [](const std::string& text) {
            return text == kMmapFits || most_held(text) ? std::string() : fault_in_size(text);
          },
          ""));
}

void take_machine_options(const MachineOptions& options, std::string_view where) {
  if (options.threads != 0) {
    const std::string fault = fault_in_threads(std::to_string(options.threads));
    if (!fault.empty()) fail(where, "threads: {}", fault);
  }
  if (options.memory.empty()) return;
  const std::string fault = fault_in_size(options.memory);
  if (!fault.empty()) fail(where, "memory: {}", fault);
  limit_memory(*parse_bytes(options.memory), "--memory " + options.memory);
}

WeightOptions weight_options(const MachineOptions& options, int64_t leave) {
  WeightOptions weights;
  if (options.mmap.empty()) return weights;
  weights.map = true;
  weights.leave = leave;
  if (options.mmap != kMmapFits) weights.most = most_held(options.mmap).value_or(0);
  return weights;
}

}  // namespace gemma::app
