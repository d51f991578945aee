// The line in front of a service that has more to do than it can: who waits, who is turned away,
// and who is next.
//
// Times are given by the caller, in nanoseconds, so that tests need no clock. Not for several
// threads at once: its owner has a lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

namespace headroom {

struct AdmissionRules {
  std::size_t room = SIZE_MAX;  // who comes when so many wait is turned away
  // Controlled delay: where the line has not been empty for `interval_ns`, nobody waits for longer
  // than `target_ns`; else for `interval_ns`. Whoever does is turned away when his turn comes, but
  // for the last: the server would have nothing to do. So a short burst may wait, a lasting
  // overload may not. As in Facebook's Wangle: Maurer, "Fail at scale" (2015); the idea is that of
  // Nichols and Jacobson, "Controlling queue delay" (2012), whose own law slows senders down, which
  // independent users don't do.
  std::uint64_t interval_ns = 0;  // 0: no limit to waiting
  std::uint64_t target_ns = 0;
  // Where the line has not been empty for `interval_ns`, the last who came is the next: he is
  // served in time, where by turns everybody would be late (adaptive LIFO, as above).
  bool newest_first = false;
};

template <class T>
class AdmissionLine {
 public:
  explicit AdmissionLine(const AdmissionRules& rules) : rules_(rules) {}

  // False where `item` is turned away. `now` never goes back.
  bool come(T item, std::uint64_t now) {
    if (waiting_.size() >= rules_.room) return false;
    if (waiting_.empty()) was_empty_ = now;
    waiting_.push_back({std::move(item), now});
    return true;
  }
  // Who is next, if anybody waits. Those who have waited too long are added to `away`.
  std::optional<T> next(std::uint64_t now, std::vector<T>& away) {
    const bool overloaded = now - was_empty_ > rules_.interval_ns;
    if (rules_.interval_ns != 0) {
      const std::uint64_t longest = overloaded ? rules_.target_ns : rules_.interval_ns;
      while (waiting_.size() > 1 && now - waiting_.front().since > longest) {
        away.push_back(std::move(waiting_.front().item));
        waiting_.pop_front();
      }
    }
    if (waiting_.empty()) {
      was_empty_ = now;
      return std::nullopt;
    }
    const bool last = rules_.newest_first && overloaded;
    T item = std::move(last ? waiting_.back().item : waiting_.front().item);
    last ? waiting_.pop_back() : waiting_.pop_front();
    return item;
  }
  bool empty() const { return waiting_.empty(); }

 private:
  struct Waiting {
    T item;
    std::uint64_t since;
  };
  const AdmissionRules rules_;
  std::deque<Waiting> waiting_;  // in the order in which they came
  std::uint64_t was_empty_ = 0;  // when nobody waited last
};

}  // namespace headroom
