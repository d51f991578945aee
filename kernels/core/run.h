// run<function>: turns a variant's function into the maker of its arm. The shape is read off the
// parameters, so a table names the function and nothing else.
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>

#include "core/arm.h"

namespace headroom {

// How a variant works: on its input alone, on a state built before, on copies of a Work, or request
// by request (support/served.h).
enum class Shape { kPure, kStateful, kMutating, kServed };

namespace internal {

// The shape of a function, and the arm that calls it; kFits is false where its parameters are none
// of a variant's.
struct Misfit {
  static constexpr bool kFits = false;
};

template <class P, auto kFunction, class Signature = decltype(kFunction)>
struct ShapeOf : Misfit {};

// const Call&, Output&
template <class P, auto kFunction, class Call>
requires std::same_as<Call, CallOf<P>>
struct ShapeOf<P, kFunction, void (*)(const Call&, OutputOf<P>&)> {
  static constexpr bool kFits = true;
  static constexpr Shape kShape = Shape::kPure;
  using Arm = PureArm<P, kFunction>;
};

// const Setting&, const Call&, Output&
template <class P, auto kFunction, class Call>
requires std::same_as<Call, CallOf<P>>
struct ShapeOf<P, kFunction, void (*)(const Setting&, const Call&, OutputOf<P>&)> {
  static constexpr bool kFits = true;
  static constexpr Shape kShape = Shape::kPure;
  using Arm = PureArm<P, kFunction>;
};

// State&, const Call&, Output& (State may be const)
template <class P, auto kFunction, class State, class Call>
requires std::same_as<Call, CallOf<P>> &&
    (!std::same_as<std::remove_const_t<State>, Setting>)&&MadeFrom<
        std::remove_const_t<State>,
        InputOf<P>> struct ShapeOf<P, kFunction, void (*)(State&, const Call&, OutputOf<P>&)> {
  static constexpr bool kFits = true;
  static constexpr Shape kShape = Shape::kStateful;
  using Arm = StatefulArm<P, kFunction, std::remove_const_t<State>>;
};

// Work&, Output&
template <class P, auto kFunction, class Work>
requires(!std::is_const_v<Work>) && MadeFrom<Work, InputOf<P>>&& requires(Work& work,
                                                                          const CallOf<P>& call) {
  work.refill(call);
}
struct ShapeOf<P, kFunction, void (*)(Work&, OutputOf<P>&)> {
  static constexpr bool kFits = true;
  static constexpr Shape kShape = Shape::kMutating;
  using Arm = MutatingArm<P, kFunction, Work>;
};

template <auto kFunction>
struct Function {
  template <class P>
  static consteval Shape shape() {
    static_assert(!Problem<P> || ShapeOf<P, kFunction>::kFits,
                  "a variant is `void f(const Call&, Output&)`, `void f(const Setting&, const "
                  "Call&, Output&)`, `void f(State&, const Call&, Output&)` with State(const "
                  "Input&), or `void f(Work&, Output&)` with Work(const Input&) and "
                  "refill(const Call&); Call is Input unless the problem declares it");
    if constexpr (Problem<P> && ShapeOf<P, kFunction>::kFits)
      return ShapeOf<P, kFunction>::kShape;
    else
      return Shape::kPure;
  }
  template <class P>
  static std::unique_ptr<Arm> make(const InputOf<P>& input, const Setting& setting) {
    if constexpr (Problem<P> && ShapeOf<P, kFunction>::kFits)
      return std::make_unique<typename ShapeOf<P, kFunction>::Arm>(input, setting);
    else
      return nullptr;
  }
};

}  // namespace internal

template <auto kFunction>
inline constexpr internal::Function<kFunction> run{};

// Stands in the table for a variant whose library was not there when the program was built.
struct NotBuilt {};
inline constexpr NotBuilt kNotBuilt{};

// What a table's `run` may be: run<function>, kNotBuilt, or another type that makes arms of P (as
// support/served.h has one for variants that serve requests).
template <class Maker, class P>
concept MakesArms = requires(const InputOf<P>& input, const Setting& setting) {
  { Maker::template shape<P>() } -> std::same_as<Shape>;
  { Maker::template make<P>(input, setting) } -> std::same_as<std::unique_ptr<Arm>>;
};

// Makes arms for problem P. `make` is null for a variant that was not built.
template <class P>
struct Run {
  static_assert(internal::check_problem<P>());

  std::unique_ptr<Arm> (*make)(const InputOf<P>&, const Setting&) = nullptr;
  Shape shape = Shape::kPure;

  // Implicit: a table says `.run = run<naive>`.
  // NOLINTBEGIN(google-explicit-constructor)
  constexpr Run(NotBuilt) {}
  template <class Maker>
  requires MakesArms<Maker, P>
  constexpr Run(Maker) : make(&Maker::template make<P>), shape(Maker::template shape<P>()) {}
  // NOLINTEND(google-explicit-constructor)
};

}  // namespace headroom
