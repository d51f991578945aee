#include "bench/plan.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <system_error>

#include "nlohmann/json.hpp"

namespace headroom {

using nlohmann::ordered_json;

namespace {

// In the order of the file, which is the kernel's.
Params read_params(const ordered_json& object) {
  std::vector<Params::Entry> entries;
  for (const auto& [name, value] : object.items())
    entries.emplace_back(name, value.get<std::int64_t>());
  return Params(std::move(entries));
}

}  // namespace

ordered_json to_json(const Params& params) {
  ordered_json object = ordered_json::object();
  for (const auto& [name, value] : params.entries()) object[name] = value;
  return object;
}

Plan read_plan(const std::string& file) {
  std::ifstream stream(file);
  if (!stream) throw std::runtime_error("plan " + file + ": can't be read");
  try {
    const ordered_json j = ordered_json::parse(stream);
    if (j.at("version") != kFileVersion)
      throw std::runtime_error("version is " + j.at("version").dump() + ", this program reads " +
                               std::to_string(kFileVersion));
    Plan plan;
    plan.kernel = j.at("kernel").get<std::string>();
    plan.budget_s = j.at("budget_s").get<double>();
    plan.rounds_min = j.value("rounds_min", plan.rounds_min);
    plan.rounds_max = j.at("rounds_max").get<std::size_t>();
    plan.rounds_fixed = j.value("rounds", std::size_t{0});
    plan.seed = j.at("seed").get<std::uint64_t>();
    plan.deadline_s = j.value("deadline_s", 0.0);
    plan.sentinel_ns = j.value("sentinel_ns", 0.0);
    for (const ordered_json& l : j.at("ladders")) {
      LadderPlan ladder;
      ladder.n = l.at("n").get<std::size_t>();
      ladder.input = l.at("input").get<std::string>();
      ladder.threads = l.at("threads").get<int>();
      ladder.params = read_params(l.value("params", ordered_json::object()));
      ladder.group = l.value("group", -1);
      ladder.rounds = l.value("rounds", std::size_t{0});
      ladder.estimate_s = l.value("estimate_s", 0.0);
      ladder.clock = l.value("clock", "cpu") == "wall" ? Reported::kWall : Reported::kCpu;
      for (const ordered_json& a : l.value("arms", ordered_json::array()))
        ladder.arms.push_back({a.at("variant").get<std::string>(), a.at("threads").get<int>(),
                               a.at("calls").get<std::size_t>(), a.value("long_call", false),
                               a.value("settle", std::size_t{0}), a.value("probe", "")});
      plan.ladders.push_back(std::move(ladder));
    }
    return plan;
  } catch (const std::exception& error) {
    throw std::runtime_error("plan " + file + ": " + error.what());
  }
}

ordered_json to_json(const Plan& plan) {
  ordered_json ladders = ordered_json::array();
  for (const LadderPlan& l : plan.ladders) {
    ordered_json arms = ordered_json::array();
    for (const ArmPlan& a : l.arms) {
      arms.push_back({{"variant", a.variant}, {"threads", a.threads}, {"calls", a.calls}});
      if (a.long_call) arms.back()["long_call"] = true;
      if (a.settle != 0) arms.back()["settle"] = a.settle;
      if (!a.probe.empty()) arms.back()["probe"] = a.probe;
    }
    ladders.push_back({{"n", l.n},
                       {"input", l.input},
                       {"threads", l.threads},
                       {"params", to_json(l.params)},
                       {"group", l.group},
                       {"rounds", l.rounds},
                       {"estimate_s", l.estimate_s},
                       {"clock", l.clock == Reported::kCpu ? "cpu" : "wall"},
                       {"arms", std::move(arms)}});
  }
  return {{"version", kFileVersion},
          {"kernel", plan.kernel},
          {"budget_s", plan.budget_s},
          {"rounds_min", plan.rounds_min},
          {"rounds_max", plan.rounds_max},
          {"rounds", plan.rounds_fixed},
          {"seed", plan.seed},
          {"deadline_s", plan.deadline_s},
          {"ladders", std::move(ladders)}};
}

void write_whole(const std::string& file, const std::string& text) {
  const std::string temporary = file + ".part";
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  bool good = fd >= 0;
  for (std::size_t done = 0; good && done < text.size();) {
    const ssize_t wrote = write(fd, text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    good = wrote > 0;
    done += good ? static_cast<std::size_t>(wrote) : 0;
  }
  const int reason = errno;
  if (fd >= 0) close(fd);
  if (good && std::rename(temporary.c_str(), file.c_str()) == 0) return;
  unlink(temporary.c_str());
  throw std::runtime_error(file + ": " + std::generic_category().message(good ? errno : reason));
}

}  // namespace headroom
