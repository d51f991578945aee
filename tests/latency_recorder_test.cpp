// The latency histogram against sorted samples.
#include "support/latency.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "catch.h"
#include "core/random.h"
#include "support/arrivals.h"

namespace headroom {
namespace {

const double kPercents[] = {0, 0.001, 1, 25, 50, 75, 90, 99, 99.9, 99.99, 100};

// By definition: the smallest value that at least that share of all don't exceed.
std::uint64_t nearest_rank(const std::vector<std::uint64_t>& sorted, double percent) {
  const double exact = percent / 100 * static_cast<double>(sorted.size());
  auto rank = static_cast<std::size_t>(exact);
  if (exact - static_cast<double>(rank) > 1e-6) ++rank;
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

void check_against_sorted(std::vector<std::uint64_t> samples) {
  LatencyRecorder recorder;
  double sum = 0;
  for (const std::uint64_t ns : samples) {
    recorder.record(ns);
    sum += static_cast<double>(ns);
  }
  std::sort(samples.begin(), samples.end());
  CHECK(recorder.count() == samples.size());
  CHECK(recorder.max() == samples.back());
  CHECK(std::abs(recorder.mean() * static_cast<double>(samples.size()) - sum) <= sum * 1e-9);
  for (const double percent : kPercents) {
    const std::uint64_t want = nearest_rank(samples, percent);
    const std::uint64_t got = recorder.percentile(percent);
    INFO(percent << "%: want " << want << ", got " << got);
    CHECK(got >= want);
    CHECK(got - want <= want / 128);
  }
}

TEST_CASE("percentiles are those of the sorted samples, to a bucket") {
  constexpr std::size_t kCount = 20'000;
  std::vector<std::uint64_t> samples(kCount);
  FastRng rng(1);
  SECTION("uniform to 1 us, exact below 256") {
    for (auto& ns : samples) ns = bounded(rng, 1000);
  }
  SECTION("uniform to an hour") {
    for (auto& ns : samples) ns = bounded(rng, 3'600'000'000'000);
  }
  SECTION("exponential around 300 us") {
    for (auto& ns : samples) ns = exponential(rng) * 300'000 >> 32;
  }
  SECTION("from 1 ns to an hour, each power of two as often as the next") {
    for (auto& ns : samples) ns = std::uint64_t{1} << bounded(rng, 42) | bounded(rng, 1000);
  }
  SECTION("two humps: a few stalls") {
    for (auto& ns : samples) ns = bounded(rng, 100) == 0 ? 100'000'000 : 20'000 + bounded(rng, 50);
  }
  SECTION("all the same") {
    for (auto& ns : samples) ns = 12'345'678;
  }
  SECTION("one sample") { samples = {987'654'321}; }
  SECTION("three samples") { samples = {1000, 2000, 3000}; }
  check_against_sorted(samples);
}

TEST_CASE("each value up to 2^16 lands in a bucket of at most 1/128 of it") {
  std::uint64_t right = 0;
  for (std::uint64_t ns = 0; ns < 1 << 16; ++ns, ++right) {
    LatencyRecorder recorder;
    recorder.record(ns);
    recorder.record(std::numeric_limits<std::uint64_t>::max());  // so that max() doesn't help
    const std::uint64_t got = recorder.percentile(50);
    if (got < ns || got - ns > ns / 128 || (ns < 256 && got != ns)) {
      FAIL_CHECK("recorded " << ns << ", got " << got);
      break;
    }
  }
  CHECK(right == std::uint64_t{1} << 16);
}

TEST_CASE("the histogram's edges: nothing, 0, 1, both sides of each power of two, the largest") {
  LatencyRecorder recorder;
  CHECK(recorder.count() == 0);
  CHECK(recorder.percentile(50) == 0);
  CHECK(recorder.mean() == 0);
  CHECK(recorder.max() == 0);
  recorder.record(0);
  CHECK(recorder.percentile(100) == 0);
  recorder.record(1);
  CHECK(recorder.percentile(50) == 0);
  CHECK(recorder.percentile(51) == 1);
  CHECK(recorder.mean() == 0.5);
  constexpr std::uint64_t kLargest = std::numeric_limits<std::uint64_t>::max();
  for (int bit = 8; bit < 64; ++bit)
    for (const std::uint64_t ns : {(std::uint64_t{1} << bit) - 1, std::uint64_t{1} << bit}) {
      LatencyRecorder one;
      one.record(ns);
      one.record(kLargest);
      CHECK(one.percentile(50) >= ns);
      CHECK(one.percentile(50) - ns <= ns / 128);
    }
  recorder.record(kLargest);
  CHECK(recorder.max() == kLargest);
  CHECK(recorder.percentile(100) == kLargest);
  recorder.clear();
  CHECK(recorder.count() == 0);
  CHECK(recorder.percentile(100) == 0);
}

TEST_CASE("no percentile is above the largest value") {
  for (const std::uint64_t ns : {257u, 1000u, 1'000'001u, 123'456'789u}) {
    LatencyRecorder recorder;
    recorder.record(ns / 2);
    recorder.record(ns);
    CHECK(recorder.percentile(100) == ns);
    CHECK(recorder.percentile(99.9) == ns);
  }
}

TEST_CASE("percentiles to three decimals take whole ranks") {
  LatencyRecorder recorder;
  for (int i = 1; i <= 1000; ++i) recorder.record(i <= 999 ? 10 : 20);
  CHECK(recorder.percentile(99.9) == 10);  // 99.9 / 100 * 1000 is 999.0000000000001 in doubles
  CHECK(recorder.percentile(99.901) == 20);
}

TEST_CASE("merging is as recording together, in any order") {
  FastRng rng(7);
  LatencyRecorder parts[3], all;
  for (LatencyRecorder& part : parts)
    for (int i = 0; i < 1000; ++i) {
      const std::uint64_t ns = exponential(rng) >> bounded(rng, 20);
      part.record(ns);
      all.record(ns);
    }
  LatencyRecorder left = parts[0], right = parts[1], swapped = parts[2];
  left.merge(parts[1]);
  left.merge(parts[2]);  // (0 + 1) + 2
  right.merge(parts[2]);
  LatencyRecorder nested = parts[0];
  nested.merge(right);  // 0 + (1 + 2)
  swapped.merge(parts[1]);
  swapped.merge(parts[0]);
  for (const LatencyRecorder* merged : {&left, &nested, &swapped}) {
    CHECK(merged->count() == all.count());
    CHECK(merged->max() == all.max());
    CHECK(merged->mean() == all.mean());
    for (const double percent : kPercents)
      CHECK(merged->percentile(percent) == all.percentile(percent));
  }
  left.merge(LatencyRecorder());
  CHECK(left.count() == all.count());
}

}  // namespace
}  // namespace headroom
