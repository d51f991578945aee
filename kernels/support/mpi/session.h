// One process of an MPI job: its start and end, and the ranks that follow the first one.
//
// The first rank (0) runs an ordinary program: ladders, a test. Every instance and arm that it
// makes is made on all ranks that take part, and every epoch is run by all of them at once; so a
// kernel is written as any other, and its variants call MPI. The other ranks wait in follow() for
// what the first one tells them, asleep: only within an epoch they wait awake, as MPI does.
//
// What is timed: rank 0 says "go" (MPI_Bcast), all make their calls, and rank 0 hears from all that
// they are done (MPI_Reduce). An epoch therefore ends when its slowest rank does, and its two
// messages count: they are what it costs to have several processes do something together.
//
// Answers: each rank compares its own output with its own of the baseline, and what is wrong names
// the rank. An exception of a variant's on any rank ends the job (MPI_Abort): the others would wait
// for it for ever.
#pragma once

#include <mpi.h>

#include "core/kernel.h"
#include "support/ranks.h"

namespace headroom::cluster {

// From MPI_Init to MPI_Finalize; sets job(). Throws std::runtime_error where MPI has no job for us.
class Session {
 public:
  Session(int* argc, char*** argv);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  // On rank 0: sends the others home.
  ~Session();

  bool leads() const { return job()->rank == 0; }
  // On the other ranks: does what rank 0 tells, until it is at its end.
  void follow();
};

// Ends all ranks with a line that names this one.
[[noreturn]] void abort_job(const char* why);

// The ranks that take part in a setting, for a kernel's own messages. Known from when the setting's
// instance is bound until the end of the session.
MPI_Comm comm_of(const Setting& setting);

// Which rank's output the next Arm::spoil() changes, where it has something to change; else the
// last one's before it that has. For tests.
void spoil_on(int rank);

}  // namespace headroom::cluster
