// Lines of text as an input: n of them a call, those of consecutive calls different. Where lines
// start is known; finding that out is another problem (computation/string_split).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "support/slices.h"

namespace headroom {

inline constexpr std::size_t kLines = std::size_t{1} << 18;  // carried: too many to be learned
inline constexpr std::size_t kLinePad = 64;                  // readable bytes around the text

// What one call sees.
struct LineCall {
  const char* text;             // kLinePad bytes before it and after the last line may be read
  const std::uint32_t* starts;  // count + 1 of them; a line ends one before the next one's start
  std::size_t count;

  const char* begin(std::size_t i) const { return text + starts[i]; }
  const char* end(std::size_t i) const { return text + starts[i + 1] - 1; }  // at its '\n'
};

struct LineInput {
  Buffer<char> text;
  Buffer<std::uint32_t> starts;
  Slices slices;

  LineCall at(std::size_t turn) const {
    return {text.data(), starts.data() + slices.first(turn), slices.size()};
  }
};

// Puts lines one behind the other.
class LineWriter {
 public:
  std::string& text() { return text_; }
  // What was added to text() since the last one is a line.
  void end_line() {
    text_ += '\n';
    starts_.push_back(static_cast<std::uint32_t>(text_.size()));
  }
  // All lines, of which there are slices.items().
  LineInput input(Slices slices) {
    LineInput in;
    in.slices = slices;
    text_.append(kLinePad, 'x');  // strtoull looks for a number behind an empty line, but not here
    in.text = Buffer<char>(text_.size());
    std::memcpy(in.text.data(), text_.data(), text_.size());
    in.starts = Buffer<std::uint32_t>(starts_.size());
    std::copy(starts_.begin(), starts_.end(), in.starts.begin());
    return in;
  }
  std::size_t count() const { return starts_.size() - 1; }

 private:
  std::string text_ = std::string(kLinePad, '\n');
  std::vector<std::uint32_t> starts_{kLinePad};
};

// The calls of n lines each that an input carries, `lines` in all. Few below the smallest size that
// is measured, where only tests go.
inline Slices lines_for(std::size_t n, std::size_t smallest, std::size_t lines = kLines) {
  return Slices::within(n < smallest ? 4 * n : lines, n);
}

// Any bytes as lines of one call: each '\n' ends a line, and so does the end.
inline LineInput lines_of(std::span<const std::uint8_t> bytes) {
  LineWriter lines;
  for (const std::uint8_t byte : bytes) {
    if (byte == '\n')
      lines.end_line();
    else
      lines.text() += static_cast<char>(byte);
  }
  lines.end_line();
  return lines.input(Slices::within(0, lines.count()));
}

}  // namespace headroom
