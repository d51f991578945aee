// Calls of a variant in a process of its own that is killed with signal 9 at any moment, and what
// it leaves in its scratch folder.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

#include "catch.h"
#include "core/kernel.h"
#include "core/random.h"
#include "core/scratch.h"

namespace headroom {

using Microseconds = std::chrono::microseconds;

// A call of a variant in a child with a scratch folder of its own, killed `delay` after the call
// has begun, or, without one, when it has returned.
struct Killed {
  bool returned = false;
  Microseconds took{};  // until it had returned, or was killed
};
inline Killed kill_a_call(const Kernel& kernel, std::size_t variant, const Setting& setting,
                          std::size_t calls, const std::string& folder, const Microseconds* delay) {
  int news[2];
  REQUIRE(pipe(news) == 0);
  const pid_t child = fork();
  if (child == 0) {
    try {
      set_scratch_folder(folder);
      const auto instance = kernel.bind(setting);
      const auto arm = instance->arm(variant, setting.threads);
      arm->refill(calls);
      if (write(news[1], "b", 1) == 1) arm->run(calls);
      if (write(news[1], "r", 1) == 1)
        for (;;) pause();
    } catch (const std::exception&) {
    }
    _exit(1);
  }
  REQUIRE(child > 0);
  close(news[1]);
  char byte = 0;
  const bool begun = read(news[0], &byte, 1) == 1;
  const auto start = std::chrono::steady_clock::now();
  Killed killed;
  if (delay == nullptr)
    killed.returned = read(news[0], &byte, 1) == 1;
  else
    std::this_thread::sleep_for(*delay);
  killed.took = std::chrono::duration_cast<Microseconds>(std::chrono::steady_clock::now() - start);
  kill(child, SIGKILL);
  int status = 0;
  const bool ended = waitpid(child, &status, 0) == child;
  // What it said before it died counts.
  if (delay != nullptr) killed.returned = read(news[0], &byte, 1) == 1;
  close(news[0]);
  REQUIRE((begun && ended && WIFSIGNALED(status)));
  return killed;
}

// A call that is killed when it has returned, and then so many between the begin of one and a
// little after its end: inspect(folder, killed) gives how much of the call's work it has found.
// More kills follow, ever later, while the disk has become so slow that none found any.
template <class Inspect>
void kill_often(const Kernel& kernel, std::size_t variant, const Setting& setting,
                std::size_t calls, const Inspect& inspect, int times = tries(4, 8)) {
  Rng rng(variant + 1);
  Microseconds whole{};
  std::size_t found = 0;
  for (int kills = 0; kills <= times || (found == 0 && kills < 100); ++kills) {
    const ScratchFolder folder;
    const auto most = static_cast<std::uint64_t>(whole.count()) * 9 / 8;
    const auto longer = static_cast<std::uint64_t>(kills <= times ? 1 : kills - times);
    const Microseconds delay(static_cast<std::int64_t>(bounded(rng, most * longer + 1)));
    const Killed killed =
        kill_a_call(kernel, variant, setting, calls, folder.path(), kills == 0 ? nullptr : &delay);
    if (kills == 0) {
      REQUIRE(killed.returned);
      whole = killed.took;
      CHECK(inspect(folder.path(), killed) > 0);
    } else {
      found += inspect(folder.path(), killed);
    }
  }
  CHECK(found > 0);
}

}  // namespace headroom
