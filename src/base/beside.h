// SPDX-License-Identifier: Apache-2.0
// What is made on a thread of its own while whoever wants it does something else.
//
//   Beside<Table> table([] { return read_table(); });
//   read_the_rest();
//   use(table.get());
#pragma once

#include <functional>
#include <future>
#include <utility>

namespace gemma {

template <class T>
class Beside {
 public:
  explicit Beside(std::function<T()> make) : made_(std::async(std::launch::async, std::move(make))) {}
  /** Waits for it, and throws what making it threw; once. What nobody gets is waited for at the end. */
  T get() { return made_.get(); }

 private:
  std::future<T> made_;
};

}  // namespace gemma
