// What requests took: a histogram of nanoseconds from which any percentile can be read.
//
// A mean hides what users complain about, and a sorted list of all samples needs memory and time
// that the measured program would notice. A log-linear histogram needs neither: each power of two
// is cut into equal buckets, so the relative width of a bucket is bounded. After Tene's
// HdrHistogram.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace headroom {

class LatencyRecorder {
 public:
  LatencyRecorder();

  // Any 64-bit value is taken, so nothing overflows. Constant time, no branch on the value.
  void record(std::uint64_t ns) {
    ++buckets_[index(ns)];
    ++count_;
    sum_ += ns;
    max_ = ns > max_ ? ns : max_;
  }
  // As if all that `other` has recorded had been recorded here.
  void merge(const LatencyRecorder& other);
  void clear();

  std::uint64_t count() const { return count_; }
  // The value that at least `percent` of 100 of all recorded values don't exceed (nearest rank;
  // `percent` is taken to three decimals), rounded up to the upper edge of its bucket and no
  // further than max(): never too small, and too large by less than 1/128 (0.8%); exact below 256.
  // 0 where nothing was recorded.
  std::uint64_t percentile(double percent) const;
  double mean() const;                        // exact but for the last division; 0 where empty
  std::uint64_t max() const { return max_; }  // exact; 0 where empty

 private:
  // Buckets of a power of two: 128, so that one is at most 1/128 of its values wide.
  static constexpr int kBits = 7;
  static constexpr std::size_t kBuckets = std::size_t{65 - kBits} << kBits;
  // The first 2 * 128 values have buckets of their own; above, the leading 8 bits of the value
  // choose the bucket among those of its power of two.
  static std::size_t index(std::uint64_t ns) {
    const int shift = std::bit_width(ns >> kBits | 1) - 1;
    return (static_cast<std::size_t>(shift) << kBits) + static_cast<std::size_t>(ns >> shift);
  }
  // The largest value of a bucket.
  static std::uint64_t upper_edge(std::size_t index);

  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  unsigned __int128 sum_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace headroom
