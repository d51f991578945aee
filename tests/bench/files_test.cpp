// The plan's file, and what the catalogue tells of a kernel.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "bench/catalogue.h"
#include "bench/plan.h"
#include "catch.h"
#include "diary.h"
#include "nlohmann/json.hpp"

namespace headroom {
namespace {

using namespace diary;

Plan some_plan() {
  Plan plan;
  plan.kernel = "g/k";
  plan.budget_s = 0.25;
  plan.rounds_min = 3;
  plan.rounds_max = 60;
  plan.rounds_fixed = 5;
  plan.seed = 77;
  plan.deadline_s = 12.5;
  LadderPlan ladder;
  ladder.n = 4096;
  ladder.input = "sorted";
  ladder.threads = 2;
  ladder.params = Params{{"clients", 16}, {"bytes", 4}};
  ladder.group = 1;
  ladder.rounds = 42;
  ladder.estimate_s = 1.5;
  ladder.clock = Reported::kWall;
  ladder.arms = {{"naive", 2, 100, false, 350, ""}, {"ceiling", 1, 7, true, 0, "wide"}};
  plan.ladders.push_back(ladder);
  ladder.clock = Reported::kCpu;
  ladder.group = 0;
  plan.ladders.push_back(ladder);
  return plan;
}

struct TemporaryFile {
  std::string path = (std::filesystem::temp_directory_path() /
                      ("headroom-plan-" + std::to_string(getpid()) + ".json"))
                         .string();
  ~TemporaryFile() { std::filesystem::remove(path); }
};

TEST_CASE("a plan that was written is read as it was") {
  const TemporaryFile file;
  write_whole(file.path, to_json(some_plan()).dump());
  CHECK(!std::filesystem::exists(file.path + ".part"));
  const Plan plan = read_plan(file.path);
  CHECK(plan.kernel == "g/k");
  CHECK(plan.budget_s == 0.25);
  CHECK(plan.rounds_min == 3);
  CHECK(plan.rounds_max == 60);
  CHECK(plan.rounds_fixed == 5);
  CHECK(plan.seed == 77);
  CHECK(plan.deadline_s == 12.5);
  REQUIRE(plan.ladders.size() == 2);
  const LadderPlan& ladder = plan.ladders[0];
  CHECK(ladder.n == 4096);
  CHECK(ladder.input == "sorted");
  CHECK(ladder.threads == 2);
  CHECK(ladder.params == Params{{"clients", 16}, {"bytes", 4}});
  CHECK(ladder.group == 1);
  CHECK(ladder.rounds == 42);
  CHECK(ladder.estimate_s == 1.5);
  CHECK(ladder.clock == Reported::kWall);
  CHECK(plan.ladders[1].clock == Reported::kCpu);
  REQUIRE(ladder.arms.size() == 2);
  CHECK(ladder.arms[0].variant == "naive");
  CHECK(ladder.arms[0].threads == 2);
  CHECK(ladder.arms[0].calls == 100);
  CHECK(!ladder.arms[0].long_call);
  CHECK(ladder.arms[0].settle == 350);
  CHECK(ladder.arms[0].probe.empty());
  CHECK(ladder.arms[1].settle == 0);
  CHECK(ladder.arms[1].calls == 7);
  CHECK(ladder.arms[1].long_call);
  CHECK(ladder.arms[1].probe == "wide");
}

TEST_CASE("a plan that can't be read, or is another version's, is an error that names the file") {
  const TemporaryFile file;
  const auto error = [&](const std::string& text) {
    std::ofstream(file.path) << text;
    return thrown([&] { read_plan(file.path); });
  };
  auto json = to_json(some_plan());
  json["version"] = kFileVersion + 1;
  CHECK(error(json.dump()).rfind("plan " + file.path + ": version is 3", 0) == 0);
  json = to_json(some_plan());
  json["ladders"][0].erase("threads");
  CHECK(error(json.dump()).find("threads") != std::string::npos);
  CHECK(error("{").rfind("plan " + file.path + ": ", 0) == 0);
  CHECK(thrown([] { read_plan("/nonexistent/plan"); }) == "plan /nonexistent/plan: can't be read");
  CHECK(thrown([] {
          write_whole("/nonexistent/plan", "");
        }).rfind("/nonexistent/plan: No such file", 0) == 0);
}

constexpr Need kLacking[] = {{"luck", [] { return false; }, "try again"}};
constexpr Variant<Turns<true>> kListed[] = {
    {.name = "naive", .run = Keeps<0>{}, .what = "the reference"},
    {.name = "usual",
     .run = Keeps<1>{},
     .what = "what is there",
     .role = Role::kStandard,
     .promise = Promise::kNone,
     .promise_note = "may lag",
     .max_n = 512,
     .single_thread = true},
    {.name = "lacking",
     .run = Keeps<2>{},
     .what = "not here",
     .role = Role::kPeer,
     .needs = kLacking},
};
Metadata listed() {
  Metadata meta = metadata("diary/listed");
  meta.axis = Axis::kStorageSync;
  meta.technique = "listing";
  meta.sizes = {256, 1024};
  meta.headline = {1024};
  meta.params = {{"clients", {1, 8}, {8}}};
  meta.ceiling = {"diary/bytes", "default"};
  meta.warm = Warm::kNone;
  meta.measure = {"score", "points", true};
  meta.simulated = true;
  meta.demand = [](const Setting& s) {
    return Demand{.items = static_cast<double>(s.n),
                  .bytes = 2,
                  .flops = 3,
                  .memory = 4,
                  .scratch = 5,
                  .written = 6};
  };
  return meta;
}
const Registrar kListedKernel(listed(), kListed);

nlohmann::ordered_json listed_kernel(const std::string& name) {
  const auto all = catalogue();
  for (const auto& kernel : all["kernels"])
    if (kernel["name"] == name) return kernel;
  FAIL("not in the catalogue: " << name);
  return {};
}

TEST_CASE("the catalogue tells all of a kernel that the tools go by") {
  const auto kernel = listed_kernel("diary/listed");
  CHECK(kernel["group"] == "diary");
  CHECK(kernel["axis"] == "storage-sync");
  CHECK(kernel["noise_class"] == "storage");
  CHECK(kernel["placebo"] == "");
  CHECK(kernel["probe"] == false);
  CHECK(kernel["ceiling"] == "diary/bytes default");
  CHECK(kernel["technique"] == "listing");
  CHECK(kernel["measure"] ==
        nlohmann::ordered_json({{"name", "score"}, {"unit", "points"}, {"better", "more"}}));
  CHECK(kernel["simulated"] == true);
  CHECK(kernel["promise"] == nlohmann::ordered_json({"exact"}));
  CHECK(kernel["cache"] == "cold");
  CHECK(kernel["sizes"] == nlohmann::ordered_json({256, 1024}));
  CHECK(kernel["headline"] == nlohmann::ordered_json({1024}));
  CHECK(kernel["inputs"] == nlohmann::ordered_json({"default"}));
  CHECK(kernel["threads"] == nlohmann::ordered_json({1}));
  CHECK(kernel["params"]["clients"] == nlohmann::ordered_json({1, 8}));
  REQUIRE(kernel["variants"].size() == 3);
  const auto& usual = kernel["variants"][1];
  CHECK(kernel["variants"][0]["role"] == "baseline");
  CHECK(kernel["variants"][0]["max_n"].is_null());
  CHECK(usual["name"] == "usual");
  CHECK(usual["role"] == "standard");
  CHECK(usual["lacks"] == nlohmann::ordered_json({"exact"}));
  CHECK(usual["promise_note"] == "may lag");
  CHECK(usual["single_thread"] == true);
  CHECK(usual["max_n"] == 512);
  CHECK(usual["available"] == true);
  const auto& lacking = kernel["variants"][2];
  CHECK(lacking["role"] == "peer");
  CHECK(lacking["available"] == false);
  CHECK(lacking["needs"] == nlohmann::ordered_json::array(
                                {{{"name", "luck"}, {"available", false}, {"cure", "try again"}}}));
}

TEST_CASE("the catalogue lists each ladder with what a call asks of the machine") {
  const auto ladders = listed_kernel("diary/listed")["ladders"];
  REQUIRE(ladders.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    const auto& ladder = ladders[i];
    CHECK(ladder["n"] == (i < 2 ? 256 : 1024));
    CHECK(ladder["params"]["clients"] == (i % 2 == 0 ? 1 : 8));
    CHECK(ladder["headline"] == (i == 3));
    CHECK(ladder["threads"] == 1);
    CHECK(ladder["items"] == (i < 2 ? 256 : 1024));
    CHECK(ladder["bytes"] == 2);
    CHECK(ladder["flops"] == 3);
    CHECK(ladder["memory_bytes"] == 4);
    CHECK(ladder["scratch_bytes"] == 5);
    CHECK(ladder["written_bytes"] == 6);
    CHECK(ladder["blocked"] == "");
    // Past its max_n a variant is left out, and what is missing always.
    CHECK(ladder["groups"] == (i < 2 ? nlohmann::ordered_json::array({{"naive", "usual"}})
                                     : nlohmann::ordered_json::array({{"naive"}})));
  }
}

TEST_CASE("a probe is listed as one, with its unit") {
  const auto kernel = listed_kernel("diary/bytes");
  CHECK(kernel["probe"] == true);
  CHECK(kernel["unit"] == "B/s");
  CHECK(kernel["cache"] == "warm");
}

}  // namespace
}  // namespace headroom
