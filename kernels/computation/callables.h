// Ways to hand a loop a function that it doesn't know: the States of computation/callable and
// computation/callable_filter. Made untimed and elsewhere than called, so that the compiler doesn't
// see what is inside; of an Input with the member `function`, which outlives them.
#pragma once

#include <functional>

#include "absl/functional/function_ref.h"

namespace headroom {

template <class Result, class Argument>
struct StdFunction {
  template <class Input>
  explicit StdFunction(const Input& in) : call(in.function) {}
  std::function<Result(Argument)> call;
};

// A function object behind a pointer to a function, as C has it: never empty, so no test; the
// object is passed as the function's first argument, in a register.
template <class Result, class Argument>
class FunctionPointer {
 public:
  template <class Input>
  explicit FunctionPointer(const Input& in)
      : call_([](const void* context, Argument x) -> Result {
          using Function = decltype(in.function);
          return (*static_cast<const Function*>(context))(x);
        }),
        context_(&in.function) {}
  Result operator()(Argument x) const { return call_(context_, x); }

 private:
  Result (*call_)(const void*, Argument);
  const void* context_;
};

// A pointer to the function object and one to its code: never empty, owns nothing, allocates
// nothing.
template <class Result, class Argument>
struct FunctionRef {
  template <class Input>
  explicit FunctionRef(const Input& in) : call(in.function) {}
  absl::FunctionRef<Result(Argument)> call;
};

}  // namespace headroom
