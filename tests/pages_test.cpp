// Memory in pages of a chosen size (core/pages.h, support/pages.h), and the cycle of lines in it.
#include "support/pages.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "catch.h"
#include "support/cycle.h"

namespace headroom {
namespace {

// Of each page of the system's, whether it is there.
std::vector<bool> resident(const Mapping& memory) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> told((memory.size() + page - 1) / page);
  REQUIRE(mincore(memory.data(), memory.size(), told.data()) == 0);
  std::vector<bool> there(told.size());
  std::transform(told.begin(), told.end(), there.begin(), [](int one) { return (one & 1) != 0; });
  return there;
}

bool system_has_huge_pages() {
  std::string enabled;
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::getline(file, enabled);
  return !enabled.empty() && enabled.find("[never]") == std::string::npos;
}

TEST_CASE("a mapping lies at a boundary of 2 MiB, is zero, and no page of it is there") {
  const PageSize page_size = GENERATE(PageSize::kHuge, PageSize::kSmall);
  for (std::size_t bytes : {std::size_t{1}, kSmallPage, kHugePage, kHugePage + 1, 5 * kHugePage}) {
    const Mapping memory(bytes, page_size);
    CHECK(memory.size() == bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(memory.data()) % kHugePage == 0);
    for (const bool there : resident(memory)) REQUIRE_FALSE(there);
    CHECK(std::all_of(memory.data(), memory.data() + bytes, [](int byte) { return byte == 0; }));
  }
}

TEST_CASE("touched pages are there, and are given back when discarded") {
  const PageSize page_size = GENERATE(PageSize::kHuge, PageSize::kSmall);
  Mapping memory = touched_pages(2 * kHugePage + kSmallPage, page_size);
  for (const bool there : resident(memory)) REQUIRE(there);
  memory.data()[kHugePage] = 1;
  memory.discard();
  for (const bool there : resident(memory)) REQUIRE_FALSE(there);
  CHECK(memory.data()[kHugePage] == 0);
}

TEST_CASE("pages have the size that was asked for") {
  const Mapping small = touched_pages(4 * kHugePage, PageSize::kSmall);
  const Mapping huge = touched_pages(4 * kHugePage, PageSize::kHuge);
  if (small.huge_share() < 0) return;  // the system doesn't tell
  CHECK(small.huge_share() == 0);
#ifndef HEADROOM_EMULATED
  if (system_has_huge_pages()) CHECK(huge.huge_share() > 0);
#endif
}

TEST_CASE("a mapping changes hands") {
  Mapping first = touched_pages(kSmallPage);
  unsigned char* const data = first.data();
  Mapping second(std::move(first));
  CHECK(second.data() == data);
  first = std::move(second);
  CHECK(first.data() == data);
  CHECK(first.size() == kSmallPage);
}

TEST_CASE("a cycle visits every line once before it comes back") {
  for (std::size_t lines : {1, 2, 3, 1000}) {
    const Cycle cycle(lines * kLine, PageSize::kHuge, 7);
    REQUIRE(cycle.lines() == lines);
    const Cycle::Line* at = cycle.line(0);
    std::set<const Cycle::Line*> seen;
    for (std::size_t visit = 0; visit < lines; ++visit, at = at->next) {
      CHECK(at == cycle.line(visit));
      CHECK(static_cast<std::size_t>(at - cycle.begin()) < lines);
      CHECK(seen.insert(at).second);
    }
    CHECK(at == cycle.line(0));
  }
}

}  // namespace
}  // namespace headroom
