#include "support/ranks.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

namespace headroom::cluster {
namespace {

std::optional<Job>& own_job() {
  static std::optional<Job> job;
  return job;
}

}  // namespace

int Job::hosts(int count) const {
  return static_cast<int>(std::set<int>(host_of.begin(), host_of.begin() + count).size());
}

const Job* job() { return own_job() ? &*own_job() : nullptr; }

void set_job(Job job) { own_job() = std::move(job); }

bool in_job() { return job() != nullptr; }

bool uses_ranks(const Metadata& meta) {
  return std::any_of(meta.params.begin(), meta.params.end(),
                     [](const Param& param) { return param.name == kRanks; });
}

std::vector<std::int64_t> rank_counts(std::int64_t least) {
  if (job() == nullptr) return {least};
  const std::int64_t most = job()->ranks();
  std::vector<std::int64_t> counts;
  for (std::int64_t count = 1; count < most; count *= 2)
    if (count >= least) counts.push_back(count);
  if (most >= least) counts.push_back(most);
  // So that the kernel still has a ladder, which says what it lacks.
  if (counts.empty()) counts.push_back(least);
  return counts;
}

Place place(const Setting& setting) {
  return {job() == nullptr ? 0 : job()->rank, static_cast<int>(setting.params[kRanks])};
}

}  // namespace headroom::cluster
