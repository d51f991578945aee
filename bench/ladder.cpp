#include "bench/ladder.h"

#include <algorithm>

#include "core/cpu.h"
#include "support/ranks.h"

namespace headroom {
namespace {

constexpr std::size_t kStatefulGroup = 4;
// A working set from which on arms push each other out of L2: the same for every machine, so that
// all have the same groups.
constexpr std::size_t kLarge = std::size_t{1} << 20;

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

bool holds_state(const Kernel& kernel, const Rung& rung) {
  return kernel.variants[rung.variant].shape != Shape::kPure;
}

// Appends groups of the baseline and `others`, with at most kStatefulGroup arms that hold a state.
void add_groups(const Kernel& kernel, const Rung& baseline, const std::vector<Rung>& others,
                std::vector<std::vector<Rung>>& groups) {
  std::vector<Rung> pure, stateful;
  for (const Rung& rung : others) (holds_state(kernel, rung) ? stateful : pure).push_back(rung);
  if (stateful.size() + holds_state(kernel, baseline) <= kStatefulGroup) {
    std::vector<Rung>& g = groups.emplace_back(1, baseline);
    g.insert(g.end(), others.begin(), others.end());
    return;
  }
  const std::size_t most = kStatefulGroup - 1;
  for (std::size_t i = 0; i < stateful.size(); i += most) {
    std::vector<Rung>& g = groups.emplace_back(1, baseline);
    if (i == 0) g.insert(g.end(), pure.begin(), pure.end());
    for (std::size_t j = i; j < std::min(stateful.size(), i + most); ++j) g.push_back(stateful[j]);
  }
}

// Where what the arms hold can push each other out of a core's own cache, the peers are apart: what
// our variants run beside is the same whether a library is installed or not.
std::vector<std::vector<Rung>> group(const Kernel& kernel, const std::vector<Rung>& all,
                                     bool large) {
  const bool stateful = std::any_of(all.begin(), all.end(),
                                    [&](const Rung& rung) { return holds_state(kernel, rung); });
  if (kernel.meta.one_group || !(stateful || large)) return {all};
  std::vector<Rung> own, peers;
  for (std::size_t i = 1; i < all.size(); ++i)
    (kernel.variants[all[i].variant].role == "peer" ? peers : own).push_back(all[i]);
  std::vector<std::vector<Rung>> groups;
  if (!own.empty() || peers.empty()) add_groups(kernel, all.front(), own, groups);
  if (!peers.empty()) add_groups(kernel, all.front(), peers, groups);
  return groups;
}

}  // namespace

std::vector<int> thread_counts() {
  std::vector<int> counts = {1, 2};
  for (int t = 4; t < core_count(); t *= 2) counts.push_back(t);
  if (core_count() > 2) counts.push_back(core_count());
  return counts;
}

namespace {

// One choice of values for all of a kernel's params.
struct Choice {
  Params params;
  bool headline = true;
};

// Every combination, the last param varying fastest; one empty choice where there are none.
std::vector<Choice> choices(const std::vector<Param>& params) {
  std::vector<Choice> all = {{}};
  for (const Param& param : params) {
    std::vector<Choice> longer;
    for (const Choice& choice : all) {
      for (std::int64_t value : param.values) {
        std::vector<Params::Entry> entries = choice.params.entries();
        entries.emplace_back(param.name, value);
        const bool headline =
            param.headline.empty() ||
            std::find(param.headline.begin(), param.headline.end(), value) != param.headline.end();
        longer.push_back({Params(std::move(entries)), choice.headline && headline});
      }
    }
    all = std::move(longer);
  }
  return all;
}

// How many ranks of an MPI job take part; 1 where the kernel doesn't vary them.
int ranks_of(const Params& params) {
  for (const auto& [name, value] : params.entries())
    if (name == cluster::kRanks) return static_cast<int>(value);
  return 1;
}

// Fills in what runs side by side, or why nothing can.
void choose_rungs(Ladder& ladder) {
  const Kernel& kernel = *ladder.kernel;
  const std::vector<Rung> every = rungs(kernel, ladder.n, ladder.threads);
  if (ladder.threads > core_count()) {
    ladder.blocked = "needs " + std::to_string(ladder.threads) + " cores";
  } else if (const int ranks = ranks_of(ladder.params);
             cluster::in_job() && ranks > cluster::job()->ranks()) {
    ladder.blocked = "needs " + std::to_string(ranks) + " ranks";
  } else if (every.empty()) {
    ladder.blocked = "no variant can run here";
    for (const Need& need : kernel.variants.front().needs)
      if (!need.met()) ladder.blocked = "needs " + std::string(need.name);
  } else {
    const Demand demand = kernel.meta.demand(ladder.setting(1));
    const auto moved = static_cast<std::size_t>(demand.bytes);
    ladder.groups = group(kernel, every, std::max(demand.working_set, moved) > kLarge);
  }
}

}  // namespace

std::vector<Ladder> ladders(const Kernel& kernel) {
  const Metadata& meta = kernel.meta;
  std::vector<Ladder> all;
  for (std::size_t n : meta.sizes) {
    const bool headline_size =
        std::find(meta.headline.begin(), meta.headline.end(), n) != meta.headline.end();
    for (const std::string& input : meta.inputs) {
      // The inputs of a probe are things of their own: each is a figure of the machine.
      const bool headline = headline_size && (input == meta.inputs.front() || !meta.unit.empty());
      for (int threads : meta.sweeps_threads ? thread_counts() : std::vector<int>{1}) {
        for (Choice& choice : choices(meta.params)) {
          Ladder& ladder = all.emplace_back();
          ladder.kernel = &kernel;
          ladder.n = n;
          ladder.input = input;
          ladder.threads = threads;
          ladder.params = std::move(choice.params);
          ladder.headline = headline && choice.headline;
          choose_rungs(ladder);
        }
      }
    }
  }
  return all;
}

std::string cell_name(const Kernel& kernel, std::string_view variant, const Setting& setting) {
  std::string text = kernel.meta.name;
  if (!variant.empty()) text += "/" + std::string(variant);
  text += "/n:" + std::to_string(setting.n);
  if (kernel.meta.inputs.size() > 1) text += "/input:" + std::string(setting.input.text());
  if (kernel.meta.sweeps_threads) text += "/threads:" + std::to_string(setting.threads);
  for (const auto& [name, value] : setting.params.entries())
    text += "/" + name + ":" + std::to_string(value);
  return text;
}

}  // namespace headroom
