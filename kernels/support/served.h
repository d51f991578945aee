// The fourth shape of a variant: it serves requests one by one, and the load generator sends them.
//
// Beside what every problem has (core/kernel.h), a served one declares
//
//   P::Request, P::Reply
//   P::Input                                with a member `requests`, an array of Request
//   using Output = std::vector<Reply>;      all replies, in the order of the requests
//   static LoadPlan plan(const Input&, const Setting&);    when they are sent, by whom: load.h
//   static bool shed(const Reply&);         optional: whether the service rejected the request
//
// and its table names `serve<variant>`, where a variant is
//
//   void variant(Service&, const Request&, Reply&);
//
// or, where it takes all requests that are there at once (load.h, run_load_in_batches),
//
//   void variant(Service&, std::span<const Request>, std::span<Reply>);
//
// or, where it hands the request to threads of its own and returns at once, so that one client does
// for any number of users (load.h, run_load_posted),
//
//   void variant(Service&, const Request&, Reply&, Answered);
//
// which calls the Answered when the reply is written, and there says what is shed.
//
// One call of the arm is one whole schedule, on a Service of its own: Service(const Input&) or
// Service(const Input&, const Setting&), built untimed. With more clients than one a variant is
// called by all of them at once. All replies are kept and compared, through the problem's `same`;
// what a service does after its reply, or beside it, it adds untimed by `void answer(Output&)
// const`, having waited for the end of that work.
//
// The time of such a call is that of the schedule and says nothing. What users see are the
// quantities p50, p99, p999 (ns), throughput and goodput (1/s), and a kernel's Metadata::measure
// names one of them. Beside them stand lateness (p99, ns) and client_cpu_share of the generator,
// and those of the service's own quantities().
//
// A problem may instead ask for the largest rate within a latency: then its table names
// `largest_rate<variant>`, of a variant whose requests are posted, and it declares in place of plan
//
//   static RateSearch search(const Input&, const Setting&);    which rates, and the limit
//   static Arrivals arrivals(const Input&, const Setting&, double per_second);
//   static absl::Status right(const Input&, std::span<const Reply>);    whether the replies to the
//                                                              first so many requests are right
//
// One call is one search (load.h, max_rate): a schedule, on a Service of its own, at each rate that
// it tries, with as many of `requests` as that rate has arrivals. The replies of each are held
// against right(); those of the first, whose rate is the same for all variants, are the output. A
// search needs a measure: max_rate (1/s), more is better. It is refused where a trial was.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/kernel.h"
#include "support/load.h"

namespace headroom {

// Which rates a search tries (load.h, max_rate).
struct RateSearch {
  double lowest = 1;
  int octaves = 1;
  std::uint64_t p99_ns = 0;
  int stride = 1;
  std::uint64_t deadline_ns = 10'000'000'000;
};

namespace internal {

template <class P>
concept DeclaresRequestAndReply = requires {
  typename P::Request;
  typename P::Reply;
};
template <class P>
concept KeepsReplies = std::same_as<OutputOf<P>, std::vector<typename P::Reply>>;
template <class P>
concept HasRequests = requires(const InputOf<P>& input) {
  { input.requests[std::size_t{0}] } -> std::same_as<const typename P::Request&>;
  { std::size(input.requests) } -> std::same_as<std::size_t>;
};
template <class P>
concept PlansLoad = requires(const InputOf<P>& input, const Setting& setting) {
  { P::plan(input, setting) } -> std::same_as<LoadPlan>;
};
template <class P>
concept Sheds = requires(const typename P::Reply& reply) {
  { P::shed(reply) } -> std::same_as<bool>;
};
template <class P>
concept ShedsWell = Sheds<P> || !requires {
  &P::shed;
};

// The Service of a variant; void where its parameters are none of a variant's.
template <class P, class Signature>
struct ServiceOf {
  using type = void;
  static constexpr bool kInBatches = false;
};
template <class P, class Service>
requires(!std::is_const_v<Service>) &&
    MadeFrom<Service, InputOf<P>> struct ServiceOf<P, void (*)(Service&, const typename P::Request&,
                                                               typename P::Reply&)> {
  using type = Service;
  static constexpr bool kInBatches = false;
};
template <class P, class Service>
requires(!std::is_const_v<Service> && !Sheds<P>) &&
    MadeFrom<Service, InputOf<P>> struct ServiceOf<P, void (*)(Service&, const typename P::Request&,
                                                               typename P::Reply&, Answered)> {
  using type = Service;
  static constexpr bool kInBatches = false;
};
// What is shed is told request by request, so a problem that sheds has no batches. And the requests
// lie in one piece.
template <class P, class Service>
requires(!std::is_const_v<Service> && !Sheds<P>) &&
    std::constructible_from<std::span<const typename P::Request>,
                            const decltype(InputOf<P>::requests)&>&& MadeFrom<Service,
                                                                              InputOf<P>> struct
    ServiceOf<P, void (*)(Service&, std::span<const typename P::Request>,
                          std::span<typename P::Reply>)> {
  using type = Service;
  static constexpr bool kInBatches = true;
};

// Whether a variant answers later.
template <class P, class Signature>
inline constexpr bool kPosted = false;
template <class P, class Service>
inline constexpr bool
    kPosted<P, void (*)(Service&, const typename P::Request&, typename P::Reply&, Answered)> = true;

template <class P, auto kFunction>
class ServedArm final : public ArmOf<P> {
 public:
  using Service = typename ServiceOf<P, decltype(kFunction)>::type;
  using Reply = typename P::Reply;

  ServedArm(const typename P::Input& input, const Setting& setting) : ArmOf<P>(input, setting) {
    this->output_.resize(std::size(input.requests));
  }

  void refill(std::size_t calls) override {
    works_.clear();
    for (std::size_t i = 0; i < calls; ++i) {
      works_.push_back(std::make_shared<Work>());
      works_.back()->service = made_from<Service>(this->input_, this->setting_);
      works_.back()->replies.resize(std::size(this->input_.requests));
      headroom::poison(works_.back()->replies);
    }
  }
  // Throws where the service did not answer all requests.
  void run(std::size_t calls) override {
    auto* const function = opaque(kFunction);
    refused_.clear();
    for (std::size_t i = 0; i < calls; ++i) {
      // Not the arm itself: a request that never returns must not outlive what it works on.
      const LoadPlan plan = P::plan(this->input_, this->setting_);
      if constexpr (kPosted<P, decltype(kFunction)>)
        load_ = run_load_posted(plan, [work = works_[i], &input = this->input_, function](
                                          std::size_t at, Answered answered) {
          function(*work->service, input.requests[at], work->replies[at], answered);
        });
      else if constexpr (ServiceOf<P, decltype(kFunction)>::kInBatches)
        load_ = run_load_in_batches(plan, [work = works_[i], &input = this->input_, function](
                                              int, std::size_t first, std::size_t count) {
          const std::span<const typename P::Request> requests(input.requests);
          function(*work->service, requests.subspan(first, count),
                   std::span(work->replies).subspan(first, count));
          return Answer::kServed;
        });
      else
        load_ = run_load(plan,
                         [work = works_[i], &input = this->input_, function](int, std::size_t at) {
                           Reply& reply = work->replies[at];
                           function(*work->service, input.requests[at], reply);
                           if constexpr (Sheds<P>)
                             if (P::shed(reply)) return Answer::kShed;
                           return Answer::kServed;
                         });
      if (load_.refusal == Refusal::kLate || load_.refusal == Refusal::kBusy)
        refused_ = load_.why;
      else if (load_.refusal != Refusal::kNone)
        throw std::runtime_error(load_.why);
    }
    last_ = calls;
    this->turn_ += calls;
  }
  void settle() override {
    if (last_ == 0) return;
    const Work& work = *works_[last_ - 1];
    this->output_ = work.replies;
    if constexpr (Answers<Service, typename P::Output>) work.service->answer(this->output_);
  }
  std::string refused() const override { return refused_; }
  // Of the last schedule.
  Quantities quantities() const override {
    if (last_ == 0) return {};
    Quantities all = {
        {"p50", {static_cast<double>(load_.p50()), "ns"}},
        {"p99", {static_cast<double>(load_.p99()), "ns"}},
        {"p999", {static_cast<double>(load_.p999()), "ns"}},
        {"throughput", {load_.throughput, "1/s"}},
        {"goodput", {load_.goodput, "1/s"}},
        {"shed", {static_cast<double>(load_.shed), "requests"}},
        {"lateness", {static_cast<double>(load_.lateness.percentile(99)), "ns"}},
        {"client_cpu_share", {load_.client_cpu_share, "ratio"}},
    };
    if constexpr (Quantified<Service>) all.merge(works_[last_ - 1]->service->quantities());
    return all;
  }

 private:
  // What one schedule works on.
  struct Work {
    std::unique_ptr<Service> service;
    std::vector<Reply> replies;
  };
  std::vector<std::shared_ptr<Work>> works_;
  std::size_t last_ = 0;
  Load load_;
  std::string refused_;
};

template <class P>
concept Searches = requires(const InputOf<P>& input, const Setting& setting,
                            std::span<const typename P::Reply> replies) {
  { P::search(input, setting) } -> std::same_as<RateSearch>;
  { P::arrivals(input, setting, 1.0) } -> std::same_as<Arrivals>;
  { P::right(input, replies) } -> std::same_as<absl::Status>;
};

template <class P, auto kFunction>
class SearchArm final : public ArmOf<P> {
 public:
  using Service = typename ServiceOf<P, decltype(kFunction)>::type;
  using ArmOf<P>::ArmOf;

  // Throws where a trial's replies are wrong, or a request was never answered.
  void run(std::size_t calls) override {
    for (std::size_t i = 0; i < calls; ++i) {
      const RateSearch search = P::search(this->input_, this->setting_);
      first_.reset();
      found_ = max_rate(
          search.lowest, search.octaves, search.p99_ns,
          [&](double per_second) { return trial(search, per_second); }, search.stride);
      if (found_.refusal == Refusal::kHangs || found_.refusal == Refusal::kOffGrid)
        throw std::runtime_error(found_.why);
    }
    ran_ = ran_ || calls != 0;
    this->turn_ += calls;
  }
  void settle() override {
    if (!first_) return;
    this->output_ = first_->replies;
    if constexpr (Answers<Service, typename P::Output>) first_->service->answer(this->output_);
  }
  std::string refused() const override { return found_.why; }
  // Of the last search.
  Quantities quantities() const override {
    if (!ran_) return {};
    return {{"max_rate", {found_.per_second, "1/s"}},
            {"trials", {static_cast<double>(found_.trials), "trials"}},
            {"lateness", {worst_lateness_, "ns"}},
            {"client_cpu_share", {worst_share_, "ratio"}}};
  }

 private:
  struct Work {
    std::unique_ptr<Service> service;
    std::vector<typename P::Reply> replies;
  };
  Load trial(const RateSearch& search, double per_second) {
    auto* const function = opaque(kFunction);
    const Arrivals arrivals = P::arrivals(this->input_, this->setting_, per_second);
    const auto work = std::make_shared<Work>();
    work->service = made_from<Service>(this->input_, this->setting_);
    work->replies.resize(arrivals.size());
    headroom::poison(work->replies);
    LoadPlan plan{.arrivals = arrivals, .limit_ns = search.p99_ns};
    plan.deadline_ns = search.deadline_ns;
    const Load load = run_load_posted(
        plan, [work, &input = this->input_, function](std::size_t at, Answered answered) {
          function(*work->service, input.requests[at], work->replies[at], answered);
        });
    if (load.refusal == Refusal::kHangs || load.refusal == Refusal::kSpinners) return load;
    worst_lateness_ = std::max(worst_lateness_, static_cast<double>(load.lateness.percentile(99)));
    worst_share_ = std::max(worst_share_, load.client_cpu_share);
    if (load.sent == arrivals.size()) {
      std::vector<typename P::Reply> replies = work->replies;
      if constexpr (Answers<Service, typename P::Output>) work->service->answer(replies);
      if (const absl::Status status = P::right(this->input_, replies); !status.ok())
        throw std::runtime_error("wrong at " + std::to_string(per_second) +
                                 " requests per second: " + std::string(status.message()));
    }
    if (!first_) first_ = work;
    return load;
  }
  std::shared_ptr<Work> first_;
  MaxRate found_;
  bool ran_ = false;
  double worst_lateness_ = 0;
  double worst_share_ = 0;
};

template <auto kFunction>
struct LargestRate {
  template <class P>
  static consteval bool fits() {
    if constexpr (Problem<P> && DeclaresRequestAndReply<P>)
      return KeepsReplies<P> && HasRequests<P> && Searches<P> && kPosted<P, decltype(kFunction)> &&
             !std::is_void_v<typename ServiceOf<P, decltype(kFunction)>::type>;
    return false;
  }
  template <class P>
  static consteval Shape shape() {
    if constexpr (Problem<P>) {
      static_assert(DeclaresRequestAndReply<P>,
                    "a served problem lacks `using Request = ...` or `using Reply = ...`");
      if constexpr (DeclaresRequestAndReply<P>) {
        static_assert(KeepsReplies<P>, "a served problem has `using Output = std::vector<Reply>`");
        static_assert(
            HasRequests<P>,
            "the Input of a served problem lacks a member `requests`, an array of Request");
        static_assert(Searches<P>,
                      "a problem that searches for a rate lacks `static RateSearch search(const "
                      "Input&, const Setting&)`, `static Arrivals arrivals(const Input&, const "
                      "Setting&, double per_second)` or `static absl::Status right(const Input&, "
                      "std::span<const Reply>)`");
        static_assert(kPosted<P, decltype(kFunction)> &&
                          !std::is_void_v<typename ServiceOf<P, decltype(kFunction)>::type>,
                      "largest_rate takes a variant `void f(Service&, const Request&, Reply&, "
                      "Answered)` of a problem without shed(), with Service(const Input&) or "
                      "Service(const Input&, const Setting&)");
      }
    }
    return Shape::kServed;
  }
  template <class P>
  static std::unique_ptr<Arm> make(const InputOf<P>& input, const Setting& setting) {
    if constexpr (fits<P>())
      return std::make_unique<SearchArm<P, kFunction>>(input, setting);
    else
      return nullptr;
  }
};

template <auto kFunction>
struct Served {
  template <class P>
  static consteval bool fits() {
    if constexpr (Problem<P> && DeclaresRequestAndReply<P>)
      return KeepsReplies<P> && HasRequests<P> && PlansLoad<P> && ShedsWell<P> &&
             !std::is_void_v<typename ServiceOf<P, decltype(kFunction)>::type>;
    return false;
  }
  // One readable error, that names the member.
  template <class P>
  static consteval Shape shape() {
    if constexpr (Problem<P>) {
      static_assert(DeclaresRequestAndReply<P>,
                    "a served problem lacks `using Request = ...` or `using Reply = ...`");
      if constexpr (DeclaresRequestAndReply<P>) {
        static_assert(KeepsReplies<P>, "a served problem has `using Output = std::vector<Reply>`");
        static_assert(
            HasRequests<P>,
            "the Input of a served problem lacks a member `requests`, an array of Request");
        static_assert(
            PlansLoad<P>,
            "a served problem lacks `static LoadPlan plan(const Input&, const Setting&)`");
        static_assert(ShedsWell<P>, "shed() must be `static bool shed(const Reply&)`");
        static_assert(!std::is_void_v<typename ServiceOf<P, decltype(kFunction)>::type>,
                      "a served variant is `void f(Service&, const Request&, Reply&)` or, where "
                      "nothing is shed, `void f(Service&, std::span<const Request>, "
                      "std::span<Reply>)`, or, without shed(), `void f(Service&, const Request&, "
                      "Reply&, Answered)`, with Service(const Input&) or Service(const Input&, "
                      "const Setting&)");
      }
    }
    return Shape::kServed;
  }
  template <class P>
  static std::unique_ptr<Arm> make(const InputOf<P>& input, const Setting& setting) {
    if constexpr (fits<P>())
      return std::make_unique<ServedArm<P, kFunction>>(input, setting);
    else
      return nullptr;
  }
};

}  // namespace internal

template <auto kFunction>
inline constexpr internal::Served<kFunction> serve{};

template <auto kFunction>
inline constexpr internal::LargestRate<kFunction> largest_rate{};

}  // namespace headroom
