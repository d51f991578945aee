// Orders that are made one by one, and then lie one after the other.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "core/buffer.h"
#include "network/orders.h"

namespace headroom::orders {

// The orders, and what they are views of: moved, never copied.
struct Orders {
  Buffer<Order> all;
  Buffer<char> notes;
  Buffer<Line> lines;
  Orders() = default;
  Orders(Orders&&) = default;
};

class OrderMaker {
 public:
  void note(std::string_view text) { notes_ += text; }
  void line(const Line& line) { lines_.push_back(line); }
  // Ends the order that the note and the lines since the last one belong to.
  void add(const Order& order) {
    orders_.push_back(order);
    ends_.push_back({notes_.size(), lines_.size()});
  }
  std::size_t count() const { return orders_.size(); }
  Orders done() const {
    Orders made;
    made.all = Buffer<Order>(orders_.size());
    made.notes = Buffer<char>(notes_.size());
    made.lines = Buffer<Line>(lines_.size());
    std::copy(orders_.begin(), orders_.end(), made.all.begin());
    std::copy(notes_.begin(), notes_.end(), made.notes.begin());
    std::copy(lines_.begin(), lines_.end(), made.lines.begin());
    // Now that nothing moves any more.
    End last;
    for (std::size_t i = 0; i < orders_.size(); ++i) {
      made.all[i].note = {made.notes.data() + last.note, ends_[i].note - last.note};
      made.all[i].lines = {made.lines.data() + last.line, ends_[i].line - last.line};
      last = ends_[i];
    }
    return made;
  }

 private:
  struct End {
    std::size_t note = 0, line = 0;
  };
  std::vector<Order> orders_;
  std::vector<End> ends_;
  std::string notes_;
  std::vector<Line> lines_;
};

}  // namespace headroom::orders
