// An arm: one variant at work on one input, with its own output and state. Everything above the
// kernels (agreement, ladders, ordinary benchmarks) sees variants only through it.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "core/opaque.h"
#include "core/same.h"

namespace headroom {

// The coordinates of a problem instance.
struct Setting {
  std::size_t n = 0;
  std::string_view input = "default";  // one of the kernel's inputs
  std::uint64_t seed = 1;
};

// What a variant reports beside time, by name: {"hit_ratio", {0.93, "ratio"}}.
struct Quantity {
  double value = 0;
  std::string unit;
};
using Quantities = std::map<std::string, Quantity>;

class Arm {
 public:
  Arm() = default;
  Arm(const Arm&) = delete;
  Arm& operator=(const Arm&) = delete;
  virtual ~Arm() = default;

  // Untimed: makes ready for exactly `calls` calls (fresh copies of Work). Before every run().
  virtual void refill(std::size_t calls) = 0;
  // The timed part: `calls` calls through an opaque pointer. run(0) is the empty epoch.
  virtual void run(std::size_t calls) = 0;
  // Overwrites the output, so that a variant that writes nothing is caught.
  virtual void poison() = 0;
  // Untimed, after run(): brings the result of the last call into the output, where it lies
  // elsewhere.
  virtual void settle() {}
  // Compares the output of the last call with that of the baseline, which must be at the same turn.
  // Both must be settled.
  virtual absl::Status agrees_with(const Arm& baseline) const = 0;
  // The turn that the next call sees; both may be read and set between runs.
  virtual std::size_t turn() const = 0;
  virtual void set_turn(std::size_t turn) = 0;
  // True where consecutive calls see different data.
  virtual bool rotates() const = 0;
  virtual Quantities quantities() const { return {}; }
};

// Runs one epoch of `calls` calls untimed.
inline void run_untimed(Arm& arm, std::size_t calls) {
  arm.refill(calls);
  arm.run(calls);
}

namespace internal {

template <class Input>
concept Rotating = requires(const Input& input) {
  input.at(std::size_t{0});
};

template <class Input>
struct CallType {
  using type = Input;
};
template <Rotating Input>
struct CallType<Input> {
  using type = std::remove_cvref_t<decltype(std::declval<const Input&>().at(std::size_t{0}))>;
};

// The part that all shapes share. P is the problem.
template <class P>
class ArmOf : public Arm {
 public:
  using Input = typename P::Input;
  using Output = typename P::Output;
  using Call = typename CallType<Input>::type;

  explicit ArmOf(const Input& input) : input_(input) {
    if constexpr (requires { P::size(input, output_); }) P::size(input, output_);
  }
  void refill(std::size_t) override {}
  void poison() override { headroom::poison(output_); }
  absl::Status agrees_with(const Arm& baseline) const override {
    const Output& want = static_cast<const ArmOf&>(baseline).output_;
    return with_call(turn_ == 0 ? 0 : turn_ - 1,
                     [&](const Call& call) { return P::same(call, want, output_); });
  }
  std::size_t turn() const override { return turn_; }
  void set_turn(std::size_t turn) override { turn_ = turn; }
  bool rotates() const override { return Rotating<Input>; }
  Quantities quantities() const override {
    if constexpr (requires(const Output& o) {
                    { o.quantities() } -> std::same_as<Quantities>;
                  })
      return output_.quantities();
    return {};
  }

 protected:
  template <class Body>
  decltype(auto) with_call(std::size_t turn, Body&& body) const {
    if constexpr (Rotating<Input>) {
      const Call call = input_.at(turn);
      return body(call);
    } else {
      (void)turn;
      return body(input_);
    }
  }
  // Calls `one(call)` once a turn.
  template <class One>
  void repeat(std::size_t calls, One&& one) {
    for (std::size_t i = 0; i < calls; ++i) with_call(turn_++, one);
  }

  const Input& input_;
  Output output_{};
  std::size_t turn_ = 0;
};

template <class P, auto kFunction>
class PureArm final : public ArmOf<P> {
 public:
  using ArmOf<P>::ArmOf;
  void run(std::size_t calls) override {
    auto* const function = opaque(kFunction);
    this->repeat(calls, [&](const typename ArmOf<P>::Call& call) {
      function(call, this->output_);
      sink(this->output_);
    });
  }
};

template <class P, auto kFunction, class State>
class StatefulArm final : public ArmOf<P> {
 public:
  explicit StatefulArm(const typename P::Input& input) : ArmOf<P>(input), state_(input) {}
  void run(std::size_t calls) override {
    auto* const function = opaque(kFunction);
    this->repeat(calls, [&](const typename ArmOf<P>::Call& call) {
      function(state_, call, this->output_);
      sink(this->output_);
    });
  }
  Quantities quantities() const override {
    Quantities all = ArmOf<P>::quantities();
    if constexpr (requires(const State& s) {
                    { s.quantities() } -> std::same_as<Quantities>;
                  })
      all.merge(state_.quantities());
    return all;
  }

 private:
  State state_;
};

template <class P, auto kFunction, class Work>
class MutatingArm final : public ArmOf<P> {
 public:
  using ArmOf<P>::ArmOf;
  void refill(std::size_t calls) override {
    while (works_.size() < calls) works_.push_back(std::make_unique<Work>(this->input_));
    for (std::size_t i = 0; i < calls; ++i)
      this->with_call(this->turn_ + i,
                      [&](const typename ArmOf<P>::Call& call) { works_[i]->refill(call); });
  }
  void run(std::size_t calls) override {
    auto* const function = opaque(kFunction);
    for (std::size_t i = 0; i < calls; ++i) {
      function(*works_[i], this->output_);
      sink(this->output_);
    }
    this->turn_ += calls;
    last_ = calls;
  }
  // Where the result lies in Work (a sort in place), Work::answer(Output&) hands it out.
  void settle() override {
    if constexpr (requires(const Work& w, typename P::Output& o) { w.answer(o); })
      if (last_ != 0) works_[last_ - 1]->answer(this->output_);
  }

 private:
  std::vector<std::unique_ptr<Work>> works_;
  std::size_t last_ = 0;
};

}  // namespace internal
}  // namespace headroom
