// SPDX-License-Identifier: Apache-2.0
// FunctionRef: a function that is called while its caller waits. Unlike std::function it owns nothing, so that passing
// a lambda costs no memory, whatever the lambda refers to.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace gemma {

template <class Signature>
class FunctionRef;

template <class Result, class... Args>
class FunctionRef<Result(Args...)> {
 public:
  /** `function` must outlive the call that this is an argument of; it is not to be kept. */
  template <class Function>
    requires(!std::is_same_v<std::remove_cvref_t<Function>, FunctionRef>)
  FunctionRef(Function&& function)
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(function)))),
        call_([](void* object, Args... args) -> Result {
          return (*static_cast<std::remove_reference_t<Function>*>(object))(std::forward<Args>(args)...);
        }) {}

  Result operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  Result (*call_)(void*, Args...);
};

}  // namespace gemma
