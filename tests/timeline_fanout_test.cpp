// scenario/timeline_fanout: a post is in all timelines that it belongs in, or nowhere.
#include <filesystem>
#include <string>

#include "catch.h"
#include "core/kernel.h"
#include "killed_call.h"
#include "subset.h"
#include "support/sqlite.h"

#if HEADROOM_HAVE_SQLITE
namespace headroom {
namespace {

std::string found_below(const std::string& folder, const std::string& name) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.path().filename() == name) return entry.path().string();
  FAIL("no " + name);
  return {};
}

TEST_CASE("a post that a killed program made is in the timelines of all followers or of none") {
  const Kernel* const kernel = built_kernel("scenario/timeline_fanout");
  if (kernel == nullptr) return;
  for (std::size_t v = 0; v < kernel->variants.size(); ++v) {
    const VariantInfo& variant = kernel->variants[v];
    if (!variant.available() || (variant.name != "push" && variant.name != "hybrid")) continue;
    INFO(variant.name);
    kill_often(*kernel, v, {.n = 200, .input = "posts", .seed = 3}, 1,
               [&](const std::string& below, const Killed& killed) {
                 const sqlite::Connection reader(found_below(below, "timelines.db"));
                 const std::string stars =
                     variant.name == "hybrid" ? "posts.id NOT IN (SELECT id FROM star_posts)" : "1";
                 const auto number = [&](const std::string& sql) {
                   sqlite::Statement statement(reader, sql);
                   REQUIRE(statement.step());
                   return statement.number(0);
                 };
                 const std::int64_t made = number("SELECT count(*) FROM posts WHERE id > 10000");
                 CHECK((made == 200 || !killed.returned));
                 // Pairs of a new post and a follower of its author, and those that have it.
                 const std::int64_t due = number(
                     "SELECT count(*) FROM posts JOIN follows ON followee = author WHERE posts.id "
                     "> 10000 AND " +
                     stars);
                 CHECK(number("SELECT count(*) FROM timelines WHERE post > 10000") == due);
                 CHECK(number("SELECT count(*) FROM posts JOIN follows ON followee = author JOIN "
                              "timelines ON post = posts.id AND user = follower WHERE posts.id > "
                              "10000") == due);
                 return static_cast<std::size_t>(made);
               });
  }
}

}  // namespace
}  // namespace headroom
#endif
