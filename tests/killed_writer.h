// A writer that is killed with signal 9 in the middle of its work, and what it leaves.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <thread>

#include "catch.h"
#include "core/arm.h"

namespace headroom {

// What a killed writer left, as its kernel counts it.
struct Left {
  std::size_t acknowledged = 0;
  std::size_t kept = 0;
};

using Microseconds = std::chrono::microseconds;

// Runs a call in a child, kills it `delay` after it has begun, and asks the arm what is left: its
// files and its acknowledgements are shared with the child, and it reports both as quantities.
inline Left kill_a_writer(Arm& arm, Microseconds delay) {
  arm.refill(1);
  int begun[2];
  REQUIRE(pipe(begun) == 0);
  const pid_t child = fork();
  if (child == 0) {
    try {
      if (write(begun[1], "", 1) == 1) arm.run(1);
    } catch (const std::exception&) {
      _exit(1);
    }
    for (;;) pause();
  }
  REQUIRE(child > 0);
  char byte;
  const bool started = read(begun[0], &byte, 1) == 1;
  std::this_thread::sleep_for(delay);
  kill(child, SIGKILL);
  int status = 0;
  const bool ended = waitpid(child, &status, 0) == child;
  close(begun[0]);
  close(begun[1]);
  REQUIRE((started && ended && WIFSIGNALED(status)));
  arm.settle();
  const Quantities left = arm.quantities();
  return {static_cast<std::size_t>(left.at("acknowledged").value),
          static_cast<std::size_t>(left.at("kept").value)};
}

}  // namespace headroom
