// Copies of values in a program's own memory, and how it learns that they hold no longer: Redis
// tells it of every key that another program has written ("Client-side caching in Redis" in its
// documentation). A kernel that includes this has `// Links: hiredis`.
#pragma once

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "support/redis.h"

#if HEADROOM_HAVE_HIREDIS
#include <sys/socket.h>
#endif

namespace headroom {

// By number. Each is believed until it is forgotten, and no longer than `believed`: that bounds how
// stale an answer is where a message gets lost. May be asked and told from several threads.
class NearCopies {
 public:
  using Clock = std::chrono::steady_clock;
  explicit NearCopies(Clock::duration believed) : believed_(believed) {}

  // The copy, or what fetch() gives, of which then a copy is kept. Not if anything was forgotten
  // while it was fetched: it may have been this, and the value the old one.
  template <class Fetch>
  std::string get(std::int32_t key, const Fetch& fetch, Clock::time_point now = Clock::now()) {
    std::uint64_t before;
    {
      const std::lock_guard lock(mutex_);
      const auto copy = copies_.find(key);
      if (copy != copies_.end() && now < copy->second.until) {
        ++hits_;
        return copy->second.value;
      }
      ++misses_;
      before = forgotten_;
    }
    std::string value = fetch();
    const std::lock_guard lock(mutex_);
    if (keeping_ && forgotten_ == before) copies_[key] = {value, now + believed_};
    return value;
  }
  void forget(std::int32_t key) {
    const std::lock_guard lock(mutex_);
    ++forgotten_;
    copies_.erase(key);
  }
  void forget_all() {
    const std::lock_guard lock(mutex_);
    ++forgotten_;
    copies_.clear();
  }
  // Nobody tells of changes any more: every answer is fetched from then on.
  void stop() {
    const std::lock_guard lock(mutex_);
    keeping_ = false;
    copies_.clear();
  }
  // Answers that were fetched.
  std::uint64_t misses() const {
    const std::lock_guard lock(mutex_);
    return misses_;
  }
  // Of the answers, those that were copies; 0 where there was none.
  double hit_ratio() const {
    const std::lock_guard lock(mutex_);
    const auto all = static_cast<double>(hits_ + misses_);
    return all == 0 ? 0 : static_cast<double>(hits_) / all;
  }

 private:
  struct Copy {
    std::string value;
    Clock::time_point until;
  };
  const Clock::duration believed_;
  mutable std::mutex mutex_;
  absl::flat_hash_map<std::int32_t, Copy> copies_;
  std::uint64_t forgotten_ = 0, hits_ = 0, misses_ = 0;
  bool keeping_ = true;
};

#if HEADROOM_HAVE_HIREDIS
// What a message of Redis's says: "message", the channel, and the keys that were written, of which
// those count that are `prefix` and a number; no keys where all are meant (FLUSHALL).
inline void forget_as_told(const redisReply& message, std::string_view prefix, NearCopies& copies) {
  if (message.type != REDIS_REPLY_ARRAY || message.elements != 3) return;
  const redisReply& keys = *message.element[2];
  if (keys.type == REDIS_REPLY_NIL) copies.forget_all();
  if (keys.type != REDIS_REPLY_ARRAY) return;
  for (std::size_t i = 0; i < keys.elements; ++i) {
    const std::string_view key(keys.element[i]->str, keys.element[i]->len);
    if (key.substr(0, prefix.size()) != prefix) continue;
    std::int32_t number = 0;
    const char* const end = key.data() + key.size();
    if (std::from_chars(key.data() + prefix.size(), end, number).ptr == end) copies.forget(number);
  }
}

// Listens to what Redis tells of keys that begin with `prefix`, in a thread of its own, and has the
// copies forget them. It takes a second connection, since in RESP2, the
// protocol of hiredis 0.14, a connection that listens can't ask.
class Invalidations {
 public:
  // What `asking` writes itself is not told.
  Invalidations(Redis& asking, std::string prefix, NearCopies& copies)
      : prefix_(std::move(prefix)), copies_(copies) {
    const std::string id = std::to_string(listening_.command({"CLIENT", "ID"})->integer);
    listening_.command({"SUBSCRIBE", "__redis__:invalidate"});
    asking.command(
        {"CLIENT", "TRACKING", "ON", "REDIRECT", id, "BCAST", "PREFIX", prefix_, "NOLOOP"});
    thread_ = std::thread([this] { listen(); });
  }
  ~Invalidations() {
    shutdown(listening_.fd(), SHUT_RDWR);
    thread_.join();
  }
  Invalidations(const Invalidations&) = delete;

 private:
  void listen() {
    try {
      for (;;) forget_as_told(*listening_.reply(), prefix_, copies_);
    } catch (const std::runtime_error&) {
      copies_.stop();  // the server has gone, or we go
    }
  }
  const std::string prefix_;
  NearCopies& copies_;
  Redis listening_{Redis::Via::kSocket};
  std::thread thread_;
};
#endif

}  // namespace headroom
