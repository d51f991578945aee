// What a problem has to declare, checked when its table is compiled, so that a slip is one readable
// line. kernel.h tells what each part is for.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <type_traits>

#include "absl/status/status.h"
#include "core/random.h"
#include "core/setting.h"

namespace headroom {

// A problem whose calls see fresh data says so by naming what one call sees: `using Call = ...`.
template <class P>
concept Rotating = requires {
  typename P::Call;
};

namespace internal {

struct Undeclared {};

template <class P>
struct InputType {
  using type = Undeclared;
};
template <class P>
requires requires { typename P::Input; }
struct InputType<P> {
  using type = typename P::Input;
};
template <class P>
struct OutputType {
  using type = Undeclared;
};
template <class P>
requires requires { typename P::Output; }
struct OutputType<P> {
  using type = typename P::Output;
};
template <class P>
struct CallType {
  using type = typename InputType<P>::type;
};
template <Rotating P>
struct CallType<P> {
  using type = typename P::Call;
};

}  // namespace internal

// A problem's types; Undeclared where it lacks them. CallOf is what one call sees.
template <class P>
using InputOf = typename internal::InputType<P>::type;
template <class P>
using OutputOf = typename internal::OutputType<P>::type;
template <class P>
using CallOf = typename internal::CallType<P>::type;

namespace internal {

template <class P>
concept DeclaresInput = !std::same_as<InputOf<P>, Undeclared>;
template <class P>
concept DeclaresOutput =
    std::default_initializable<OutputOf<P>> && !std::same_as<OutputOf<P>, Undeclared>;
template <class P>
concept Makes = requires(const Setting& setting, Rng& rng) {
  { P::make(setting, rng) } -> std::same_as<InputOf<P>>;
};
template <class P>
concept Compares = requires(const CallOf<P>& call, const OutputOf<P>& output) {
  { P::same(call, output, output) } -> std::same_as<absl::Status>;
};
template <class P>
concept RotatesWell = !Rotating<P> || requires(const InputOf<P>& input) {
  { input.at(std::size_t{0}) } -> std::same_as<typename P::Call>;
};
template <class P>
concept SizesWithSetting = requires(const InputOf<P>& input, OutputOf<P>& output,
                                    const Setting& setting) {
  P::size(input, output, setting);
};
template <class P>
concept Sizes = requires(const InputOf<P>& input, OutputOf<P>& output) {
  P::size(input, output);
};
template <class P>
concept SizesWell = Sizes<P> || SizesWithSetting<P> || !requires {
  &P::size;
};
template <class P>
concept TakesBytes = requires(std::span<const std::uint8_t> bytes) {
  { P::from(bytes) } -> std::same_as<InputOf<P>>;
};
template <class P>
concept FromWell = TakesBytes<P> || !requires {
  &P::from;
};
template <class P>
concept NamesInputs = requires {
  P::kInputs.measured;
};
template <class P>
concept NamesInputsWell = NamesInputs<P> || !requires {
  P::kInputs;
};

}  // namespace internal

// All that a problem has to have, and nothing declared otherwise than its name says.
template <class P>
concept Problem = internal::DeclaresInput<P> && internal::DeclaresOutput<P> && internal::Makes<P> &&
    internal::Compares<P> && internal::RotatesWell<P> && internal::SizesWell<P> &&
    internal::FromWell<P> && internal::NamesInputsWell<P>;

namespace internal {

// True, or an error that names the member.
template <class P>
consteval bool check_problem() {
  static_assert(DeclaresInput<P>, "the problem lacks `using Input = ...` (or struct Input)");
  static_assert(
      DeclaresOutput<P>,
      "the problem lacks `using Output = ...` (or struct Output), made without arguments");
  if constexpr (DeclaresInput<P> && DeclaresOutput<P>) {
    static_assert(Makes<P>, "the problem lacks `static Input make(const Setting&, Rng&)`");
    static_assert(
        RotatesWell<P>,
        "the problem declares Call, so its Input needs `Call at(std::size_t turn) const`");
    static_assert(Compares<P>,
                  "the problem lacks `static absl::Status same(const Call&, const Output& want, "
                  "const Output& got)`, where Call is Input unless the problem declares it");
    static_assert(SizesWell<P>,
                  "the problem's size() must be `static void size(const Input&, Output&)`, or that "
                  "with a `const Setting&` at the end");
    static_assert(
        FromWell<P>,
        "the problem's from() must be `static Input from(std::span<const std::uint8_t>)`");
    static_assert(NamesInputsWell<P>,
                  "the problem's kInputs must be `static constexpr auto kInputs = inputs(\"a\", "
                  "\"b\")`");
  }
  return true;
}

}  // namespace internal
}  // namespace headroom
