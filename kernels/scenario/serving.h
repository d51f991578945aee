// The threads of a service in one process, and what they wait for.
//
// The load generator has core 0; a service has the other cores, and more threads than these,
// because its requests mostly wait for other machines: a database, a gateway. Those are stood in
// for by sleeps of a stated length, which take no time of a core but for falling asleep and waking
// up (some ten microseconds, and the sleep ends some fifty late).
#pragma once

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "support/on_core.h"

namespace headroom::serving {

using std::chrono::microseconds;

// At the start of a service's thread: off the generator's core, and sleeps end when they should.
inline void become_server() {
  move_to_other_cores();
#ifdef __linux__
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
#endif
}

// As long as another machine takes to answer.
inline void wait_for_answer(microseconds takes) { std::this_thread::sleep_for(takes); }

// Where requests come in. Who posts one never waits; threads take them in the order in which they
// came.
template <class Job>
class Intake {
 public:
  // `serve(job)` runs on `threads` threads. Where `room` wait already, a job is not taken.
  template <class Serve>
  Intake(int threads, std::size_t room, Serve serve) : room_(room) {
    for (int i = 0; i < threads; ++i)
      threads_.emplace_back([this, serve] {
        become_server();
        while (std::optional<Job> job = next()) serve(*job);
      });
  }
  // Serves what is there, and ends.
  ~Intake() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    somebody_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  bool post(Job job) {
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.size() >= room_) return false;
      waiting_.push_back(std::move(job));
    }
    somebody_.notify_one();
    return true;
  }

 private:
  std::optional<Job> next() {
    std::unique_lock lock(mutex_);
    somebody_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
    if (waiting_.empty()) return std::nullopt;
    std::optional<Job> job = std::move(waiting_.front());
    waiting_.pop_front();
    return job;
  }

  const std::size_t room_;
  std::mutex mutex_;
  std::condition_variable somebody_;
  std::deque<Job> waiting_;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace headroom::serving
