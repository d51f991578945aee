// What an edge of a content network keeps, and whose answers it waits for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "support/simulator.h"

namespace headroom {

// Objects, numbered from 0, by when they were used last; the one that was not used for longest goes
// (LRU). Each may be used until its time is over, from when it was put in.
class EdgeStore {
 public:
  EdgeStore(std::size_t objects, std::size_t room)
      : room_(room), slots_(objects + 1), end_(static_cast<std::uint32_t>(objects)) {
    slots_[end_] = {end_, end_, 0};
  }
  // Whether the object is there and not too old; it then is the one used last.
  bool get(std::uint32_t object, SimTime now) {
    if (slots_[object].until == 0) return false;
    leave(object);
    if (slots_[object].until <= now) {
      slots_[object].until = 0;
      --count_;
      return false;
    }
    come(object);
    return true;
  }
  void put(std::uint32_t object, SimTime until) {
    if (slots_[object].until != 0) {
      leave(object);
    } else if (count_ == room_) {
      const std::uint32_t oldest = slots_[end_].before;
      leave(oldest);
      slots_[oldest].until = 0;
    } else {
      ++count_;
    }
    slots_[object].until = until;
    come(object);
  }
  std::size_t size() const { return count_; }

 private:
  struct Slot {
    std::uint32_t before = 0, behind = 0;
    SimTime until = 0;  // 0: not there
  };
  void leave(std::uint32_t object) {
    const Slot& slot = slots_[object];
    slots_[slot.before].behind = slot.behind;
    slots_[slot.behind].before = slot.before;
  }
  // To the front.
  void come(std::uint32_t object) {
    const std::uint32_t first = slots_[end_].behind;
    slots_[object].before = end_, slots_[object].behind = first;
    slots_[first].before = slots_[end_].behind = object;
  }

  std::size_t room_, count_ = 0;
  std::vector<Slot> slots_;
  std::uint32_t end_;  // the slot before the first and behind the last
};

// Requests that wait for an object that is on its way (Go calls it single flight, nginx
// proxy_cache_lock, Varnish request coalescing): one asks, the others get the same answer.
class Collapsed {
 public:
  Collapsed(std::size_t objects, std::size_t requests)
      : last_(objects, kNobody), behind_(requests, kNobody) {}
  // True where nobody has asked yet: this request must.
  bool join(std::uint32_t object, std::uint32_t request) {
    const bool first = last_[object] == kNobody;
    // In a circle, so that one number for an object is enough: the last one's next is the first.
    if (first) {
      behind_[request] = request;
    } else {
      behind_[request] = behind_[last_[object]];
      behind_[last_[object]] = request;
    }
    last_[object] = request;
    return first;
  }
  // The answer is there: calls `one` for each who waited, in the order in which they came.
  template <class One>
  void finish(std::uint32_t object, const One& one) {
    const std::uint32_t last = last_[object];
    last_[object] = kNobody;
    for (std::uint32_t at = behind_[last];; at = behind_[at]) {
      one(at);
      if (at == last) break;
    }
  }

 private:
  std::vector<std::uint32_t> last_;    // by object
  std::vector<std::uint32_t> behind_;  // by request
};

}  // namespace headroom
