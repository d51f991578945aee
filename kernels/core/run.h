// run<function>: turns a variant's function into the maker of its arm. The shape is read off the
// parameters, so a table names the function and nothing else.
#pragma once

#include <memory>
#include <type_traits>

#include "core/arm.h"

namespace headroom {

// How a variant works: on its input alone, on a state built before, or on copies of a Work.
enum class Shape { kPure, kStateful, kMutating };

namespace internal {

template <class P, auto kFunction, class Signature = decltype(kFunction)>
struct ShapeOf;

template <class P, auto kFunction, class Call>
struct ShapeOf<P, kFunction, void (*)(const Call&, typename P::Output&)> {
  using type = PureArm<P, kFunction>;
  static constexpr Shape kShape = Shape::kPure;
};

template <class P, auto kFunction, class State, class Call>
struct ShapeOf<P, kFunction, void (*)(State&, const Call&, typename P::Output&)> {
  using type = StatefulArm<P, kFunction, std::remove_const_t<State>>;
  static constexpr Shape kShape = Shape::kStateful;
};

template <class P, auto kFunction, class Work>
requires(
    !std::is_const_v<Work>) struct ShapeOf<P, kFunction, void (*)(Work&, typename P::Output&)> {
  using type = MutatingArm<P, kFunction, Work>;
  static constexpr Shape kShape = Shape::kMutating;
};

template <auto kFunction>
struct Function {};

}  // namespace internal

template <auto kFunction>
inline constexpr internal::Function<kFunction> run{};

// Stands in the table for a variant whose library was not there when the program was built.
struct NotBuilt {};
inline constexpr NotBuilt kNotBuilt{};

// Makes arms for problem P. `make` is null for a variant that was not built.
template <class P>
struct Run {
  std::unique_ptr<Arm> (*make)(const typename P::Input&) = nullptr;
  Shape shape = Shape::kPure;

  constexpr Run(NotBuilt) {}
  template <auto kFunction>
  constexpr Run(internal::Function<kFunction>)
      : make([](const typename P::Input& input) -> std::unique_ptr<Arm> {
          return std::make_unique<typename internal::ShapeOf<P, kFunction>::type>(input);
        }),
        shape(internal::ShapeOf<P, kFunction>::kShape) {}
};

}  // namespace headroom
