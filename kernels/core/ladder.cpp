#include "core/ladder.h"

#include <algorithm>

#include "core/cpu.h"

namespace headroom {
namespace {

constexpr std::size_t kStatefulGroup = 4;

std::vector<Rung> rungs(const Kernel& kernel, std::size_t n, int threads) {
  std::vector<Rung> all;
  for (std::size_t i = 0; i < kernel.variants.size(); ++i) {
    const VariantInfo& v = kernel.variants[i];
    if (n > v.max_n || !v.available()) continue;
    all.push_back({i, v.single_thread ? 1 : threads});
  }
  // Every ladder of several threads also shows what one thread does the naive way; a placebo and a
  // probe have nothing to show by it.
  const bool compares = kernel.meta.placebo.empty() && kernel.meta.unit.empty();
  if (threads > 1 && compares && !all.empty() && all.front().threads > 1)
    all.push_back({all.front().variant, 1});
  return all;
}

std::vector<std::vector<Rung>> group(const Kernel& kernel, const std::vector<Rung>& all) {
  const auto holds_state = [&](const Rung& rung) {
    return kernel.variants[rung.variant].shape != Shape::kPure;
  };
  std::vector<Rung> pure, stateful;
  for (std::size_t i = 1; i < all.size(); ++i)
    (holds_state(all[i]) ? stateful : pure).push_back(all[i]);
  if (kernel.meta.one_group || stateful.size() + holds_state(all.front()) <= kStatefulGroup)
    return {all};
  std::vector<std::vector<Rung>> groups;
  const std::size_t others = kStatefulGroup - 1;
  for (std::size_t i = 0; i < stateful.size(); i += others) {
    std::vector<Rung>& g = groups.emplace_back();
    g.push_back(all.front());
    if (i == 0) g.insert(g.end(), pure.begin(), pure.end());
    for (std::size_t j = i; j < std::min(stateful.size(), i + others); ++j)
      g.push_back(stateful[j]);
  }
  return groups;
}

}  // namespace

std::vector<int> thread_counts() {
  std::vector<int> counts = {1, 2};
  for (int t = 4; t < core_count(); t *= 2) counts.push_back(t);
  if (core_count() > 2) counts.push_back(core_count());
  return counts;
}

std::vector<Ladder> ladders(const Kernel& kernel) {
  const Metadata& meta = kernel.meta;
  std::vector<Ladder> all;
  for (std::size_t n : meta.sizes) {
    for (const std::string& input : meta.inputs) {
      for (int threads : meta.sweeps_threads ? thread_counts() : std::vector<int>{1}) {
        Ladder ladder{&kernel, n, input, threads, false, {}, ""};
        // The inputs of a probe are things of their own: each is a figure of the machine.
        ladder.headline =
            (input == meta.inputs.front() || !meta.unit.empty()) &&
            std::find(meta.headline.begin(), meta.headline.end(), n) != meta.headline.end();
        const std::vector<Rung> every = rungs(kernel, n, threads);
        if (threads > core_count()) {
          ladder.blocked = "needs " + std::to_string(threads) + " cores";
        } else if (every.empty()) {
          const VariantInfo& v = kernel.variants.front();
          ladder.blocked = "no variant can run here";
          for (const Need& need : v.needs)
            if (!need.met()) ladder.blocked = "needs " + std::string(need.name);
        } else {
          ladder.groups = group(kernel, every);
        }
        all.push_back(std::move(ladder));
      }
    }
  }
  return all;
}

std::string cell_name(const Kernel& kernel, std::string_view variant, std::size_t n,
                      std::string_view input, int threads) {
  std::string text = kernel.meta.name;
  if (!variant.empty()) text += "/" + std::string(variant);
  text += "/n:" + std::to_string(n);
  if (kernel.meta.inputs.size() > 1) text += "/input:" + std::string(input);
  if (kernel.meta.sweeps_threads) text += "/threads:" + std::to_string(threads);
  return text;
}

}  // namespace headroom
