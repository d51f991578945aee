// An arm: one variant at work on one input, with its own output and state. Everything above the
// kernels (agreement, ladders, ordinary benchmarks) sees variants only through it.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "core/opaque.h"
#include "core/problem.h"
#include "core/same.h"
#include "core/setting.h"

namespace headroom {

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
  // How many calls of the last run() have left a result that can still be brought: the last one's,
  // or those of all, where each changed a copy of its own.
  virtual std::size_t results() const { return 1; }
  // settle(), for the call that came `back` calls before the last one; back < results(). Until the
  // next settle() or run() the output is that call's, also for agrees_with().
  virtual void settle_earlier(std::size_t /*back*/) { settle(); }
  // Compares the output of the call that was settled, the last one or an earlier one, with that of
  // the baseline, which must be at the same turn. Both must be settled.
  virtual absl::Status agrees_with(const Arm& baseline) const = 0;
  // Changes the settled output in one way, to prove that agrees_with() can fail; false where an
  // output of this kind can't be changed so.
  virtual bool spoil(Spoil how) = 0;
  // The turn that the next call sees; both may be read and set between runs.
  virtual std::size_t turn() const = 0;
  virtual void set_turn(std::size_t turn) = 0;
  // True where consecutive calls see different data.
  virtual bool rotates() const = 0;
  // What making the State took, in nanoseconds; 0 where there is none.
  virtual double build_ns() const { return 0; }
  virtual Quantities quantities() const { return {}; }
  // Why what the last run() measured must not be used, in one line, though its answer is right (a
  // load generator that came late); empty where nothing was wrong.
  virtual std::string refused() const { return {}; }
};

// Runs one epoch of `calls` calls untimed.
inline void run_untimed(Arm& arm, std::size_t calls) {
  arm.refill(calls);
  arm.run(calls);
}

namespace internal {

template <class T>
concept Quantified = requires(const T& of) {
  { of.quantities() } -> std::same_as<Quantities>;
};
template <class T, class Output>
concept Answers = requires(const T& of, Output& output) {
  of.answer(output);
};
template <class T>
concept Refuses = requires(const T& of) {
  { of.refused() } -> std::same_as<std::string>;
};
// Made from the input, or from the input and the setting.
template <class T, class Input>
concept MadeFrom = std::constructible_from<T, const Input&> ||
    std::constructible_from<T, const Input&, const Setting&>;

// T(input, setting), or T(input) where it doesn't ask for the setting.
template <class T, class Input>
std::unique_ptr<T> made_from(const Input& input, const Setting& setting) {
  if constexpr (std::constructible_from<T, const Input&, const Setting&>)
    return std::make_unique<T>(input, setting);
  else
    return std::make_unique<T>(input);
}

}  // namespace internal

// The part that all shapes share (those of support/ too). P is the problem. The input must outlive
// it.
template <class P>
class ArmOf : public Arm {
 public:
  using Input = typename P::Input;
  using Output = typename P::Output;
  using Call = CallOf<P>;

  ArmOf(const Input& input, const Setting& setting) : input_(input), setting_(setting) {
    if constexpr (internal::SizesWithSetting<P>)
      P::size(input, output_, setting);
    else if constexpr (internal::Sizes<P>)
      P::size(input, output_);
  }
  void refill(std::size_t) override {}
  void poison() override { headroom::poison(output_); }
  absl::Status agrees_with(const Arm& baseline) const override {
    const Output& want = static_cast<const ArmOf&>(baseline).output_;
    return with_call(turn_ <= back_ ? 0 : turn_ - 1 - back_,
                     [&](const Call& call) { return P::same(call, want, output_); });
  }
  bool spoil(Spoil how) override { return headroom::spoil(output_, how); }
  std::size_t turn() const override { return turn_; }
  void set_turn(std::size_t turn) override { turn_ = turn; }
  bool rotates() const override { return Rotating<P>; }
  Quantities quantities() const override {
    if constexpr (internal::Quantified<Output>) return output_.quantities();
    return {};
  }

 protected:
  template <class Body>
  decltype(auto) with_call(std::size_t turn, Body&& body) const {
    if constexpr (Rotating<P>) {
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
  const Setting setting_;
  Output output_{};
  std::size_t turn_ = 0;
  std::size_t back_ = 0;  // how many calls before the last the output is from
};

namespace internal {

template <class P, auto kFunction>
class PureArm final : public ArmOf<P> {
 public:
  using ArmOf<P>::ArmOf;
  void run(std::size_t calls) override {
    auto* const function = opaque(kFunction);
    this->repeat(calls, [&](const CallOf<P>& call) {
      if constexpr (std::invocable<decltype(function), const CallOf<P>&, typename P::Output&>)
        function(call, this->output_);
      else
        function(this->setting_, call, this->output_);
      sink(this->output_);
    });
  }
};

template <class P, auto kFunction, class State>
class StatefulArm final : public ArmOf<P> {
 public:
  StatefulArm(const typename P::Input& input, const Setting& setting) : ArmOf<P>(input, setting) {
    const auto start = std::chrono::steady_clock::now();
    state_ = made_from<State>(input, setting);
    const auto end = std::chrono::steady_clock::now();
    build_ns_ = std::chrono::duration<double, std::nano>(end - start).count();
  }
  void run(std::size_t calls) override {
    auto* const function = opaque(kFunction);
    State& state = *state_;
    this->repeat(calls, [&](const CallOf<P>& call) {
      function(state, call, this->output_);
      sink(this->output_);
    });
  }
  // Where the result lies in State (a table in a database), State::answer(Output&) hands it out, as
  // often as it is asked.
  void settle() override {
    if constexpr (Answers<State, typename P::Output>)
      if (this->turn_ != 0) state_->answer(this->output_);
  }
  double build_ns() const override { return build_ns_; }
  Quantities quantities() const override {
    Quantities all = ArmOf<P>::quantities();
    if constexpr (Quantified<State>) all.merge(state_->quantities());
    return all;
  }
  std::string refused() const override {
    if constexpr (Refuses<State>) return state_->refused();
    return {};
  }

 private:
  std::unique_ptr<State> state_;
  double build_ns_ = 0;
};

template <class P, auto kFunction, class Work>
class MutatingArm final : public ArmOf<P> {
 public:
  using ArmOf<P>::ArmOf;
  void refill(std::size_t calls) override {
    while (works_.size() < calls) works_.push_back(made_from<Work>(this->input_, this->setting_));
    for (std::size_t i = 0; i < calls; ++i)
      this->with_call(this->turn_ + i, [&](const CallOf<P>& call) { works_[i]->refill(call); });
  }
  void run(std::size_t calls) override {
    auto* const function = opaque(kFunction);
    for (std::size_t i = 0; i < calls; ++i) {
      function(*works_[i], this->output_);
      sink(this->output_);
    }
    this->turn_ += calls;
    this->back_ = 0;
    last_ = calls;
  }
  // Where the result lies in Work (a sort in place), Work::answer(Output&) hands it out, as often
  // as it is asked: the baseline's is, for each variant whose earlier calls are compared with it.
  void settle() override { settle_earlier(0); }
  std::size_t results() const override {
    return Answers<Work, typename P::Output> && last_ > 1 ? last_ : 1;
  }
  void settle_earlier(std::size_t back) override {
    this->back_ = back;
    if constexpr (Answers<Work, typename P::Output>)
      if (last_ != 0) works_[last_ - 1 - back]->answer(this->output_);
  }
  // Of the first Work, which every epoch uses.
  Quantities quantities() const override {
    Quantities all = ArmOf<P>::quantities();
    if constexpr (Quantified<Work>)
      if (!works_.empty()) all.merge(works_.front()->quantities());
    return all;
  }

 private:
  std::vector<std::unique_ptr<Work>> works_;
  std::size_t last_ = 0;
};

}  // namespace internal
}  // namespace headroom
