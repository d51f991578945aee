// A function object behind a pointer to a function, as C has it.
#pragma once

namespace headroom {

// Calls the object that it was made of, which must outlive it: never empty, so no test; the object
// is passed as the function's first argument, in a register.
template <class Result, class Argument>
class FunctionPointer {
 public:
  template <class Function>
  explicit FunctionPointer(const Function& function)
      : call_([](const void* context, Argument x) -> Result {
          return (*static_cast<const Function*>(context))(x);
        }),
        context_(&function) {}
  Result operator()(Argument x) const { return call_(context_, x); }

 private:
  Result (*call_)(const void*, Argument);
  const void* context_;
};

}  // namespace headroom
