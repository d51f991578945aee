// The agreement check must be able to fail, in each of the ways in which a variant can be wrong.
#include "core/agreement.h"

#include <string>
#include <vector>

#include "catch.h"
#include "faulty.h"

namespace headroom {
namespace {

using namespace faulty;

absl::Status check(const Kernel& kernel, std::size_t n, std::uint64_t seed = 1) {
  return check_agreement(kernel, {n, "default", seed}, 2);
}

std::string message(const absl::Status& status) { return std::string(status.message()); }

TEST_CASE("a sound variant agrees at every size") {
  const Kernel kernel = describe(metadata("faulty/sound"), kPair<naive>);
  for (std::size_t n : kernel.meta.test_sizes) CHECK(check(kernel, n).ok());
}

TEST_CASE("a variant wrong at one size is caught there, and the message says where") {
  const Kernel kernel = describe(metadata("faulty/one_size"), kPair<wrong_at_one_size>);
  CHECK(check(kernel, kBadSize - 1).ok());
  CHECK(check(kernel, kBadSize + 1).ok());
  const absl::Status status = check(kernel, kBadSize, 7);
  REQUIRE_FALSE(status.ok());
  for (const char* part : {"faulty/one_size", "variant broken", "n:1000", "seed:7", "index 500"})
    CHECK(message(status).find(part) != std::string::npos);
}

TEST_CASE("a variant that skips part of the input is caught") {
  const Kernel kernel = describe(metadata("faulty/skips"), kPair<skips_part>);
  for (std::size_t n : {4, 5, 64, 1001}) CHECK_FALSE(check(kernel, n).ok());
}

TEST_CASE("a variant with the right numbers in another order is caught") {
  const Kernel kernel = describe(metadata("faulty/reorders"), kPair<reorders>);
  for (std::size_t n : {16, 257}) CHECK_FALSE(check(kernel, n).ok());
}

TEST_CASE("a variant that writes nothing is caught, though the output held the right answer") {
  const Kernel kernel = describe(metadata("faulty/silent"), kPair<writes_nothing>);
  const std::unique_ptr<Instance> instance = kernel.bind({64, "default", 1});
  const std::unique_ptr<Arm> baseline = instance->arm(0, 1);
  const std::unique_ptr<Arm> silent = instance->arm(1, 1);
  CHECK_FALSE(check_turn(*silent, *baseline, 0).ok());
}

TEST_CASE("bytes given as an input are checked as other inputs are") {
  const std::vector<std::uint8_t> few(kBadSize - 1, 3), bad(kBadSize, 3);
  const Kernel sound = describe(metadata("faulty/sound"), kPair<naive>);
  CHECK(check_agreement(sound, bad).ok());
  const Kernel broken = describe(metadata("faulty/one_size"), kPair<wrong_at_one_size>);
  CHECK(check_agreement(broken, few).ok());
  const absl::Status status = check_agreement(broken, bad);
  REQUIRE_FALSE(status.ok());
  for (const char* part : {"faulty/one_size", "variant broken", "these 1000 bytes", "index 500"})
    CHECK(message(status).find(part) != std::string::npos);
}

TEST_CASE("a kernel whose problem takes no bytes says so") {
  Kernel kernel = describe(metadata("faulty/no_bytes"), kPair<naive>);
  kernel.bind_bytes = nullptr;
  const absl::Status status = check_agreement(kernel, std::vector<std::uint8_t>{1, 2});
  CHECK(message(status) == "faulty/no_bytes: takes no bytes as an input");
}

// AddressSanitizer ends the process, so the read past the end is made in a child.
#if defined(__SANITIZE_ADDRESS__)
#define HEADROOM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEADROOM_ASAN 1
#endif
#endif
#ifdef HEADROOM_ASAN
}  // namespace
}  // namespace headroom
#include <sys/wait.h>
#include <unistd.h>
namespace headroom {
namespace {
TEST_CASE("a variant that reads past the end is caught by the sanitizer") {
  const Kernel kernel = describe(metadata("faulty/past_end"), kPair<reads_past_end>);
  for (std::size_t n : {16u, 1000u, 1u << 19}) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      close(STDERR_FILENO);
      _exit(check(kernel, n).ok() ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_FALSE((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  }
}
#endif

}  // namespace
}  // namespace headroom
