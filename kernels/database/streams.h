// A stream of our own in a Redis that keeps what it acknowledges, and its entries. A kernel that
// includes this has `// Links: hiredis`.
#pragma once

#include "database/records.h"
#include "support/redis.h"

#if HEADROOM_HAVE_HIREDIS
#include <unistd.h>

#include <atomic>
#include <string>

#include "support/cpu_shares.h"

namespace headroom {

// A connection and a stream with a group of consumers, which go with it.
class Stream {
 public:
  static constexpr std::string_view kGroup = "readers";
  static constexpr std::string_view kConsumer = "one";

  Stream() { shares.add(server.process()); }
  Stream(const Stream&) = delete;
  ~Stream() {
    try {
      server.command({"DEL", key});
    } catch (const std::runtime_error&) {
      // The server has gone; where it hasn't, the stream expires.
    }
  }

  // Makes it anew, without an entry. It goes by itself: the server may be somebody's own.
  void clear() {
    server.command({"DEL", key});
    server.command({"XGROUP", "CREATE", key, kGroup, "0", "MKSTREAM"});
    server.command({"EXPIRE", key, "3600"});
  }
  // Puts an entry into the buffer; sent with the next reply that is asked for.
  void append(std::string_view body) { server.append({"XADD", key, "*", "b", body}); }
  // Adds them, all on their way before the first answer is read: at most `window` at once.
  void add(std::span<const std::string> bodies, std::size_t window) {
    in_parts(bodies, window, [&](std::span<const std::string> part) {
      for (const std::string& body : part) append(body);
      for (std::size_t i = 0; i < part.size(); ++i) server.reply();
    });
  }
  // Up to `count` entries that nobody has been given, which are then this consumer's until it
  // acknowledges them. Asks; the reply is for `entries`.
  void ask(std::size_t count, bool acknowledged = false) {
    const std::string number = std::to_string(count);
    std::vector<std::string_view> words{"XREADGROUP", "GROUP", kGroup, kConsumer, "COUNT", number};
    if (acknowledged) words.emplace_back("NOACK");
    words.insert(words.end(), {"STREAMS", key, ">"});
    server.append(words);
  }
  void acknowledge(std::span<const std::string> ids) {
    std::vector<std::string_view> words{"XACK", key, kGroup};
    words.insert(words.end(), ids.begin(), ids.end());
    server.append(words);
  }
  // Entries that were given and not acknowledged.
  static long long pending(Redis& server, std::string_view key) {
    return server.command({"XPENDING", key, kGroup})->element[0]->integer;
  }

  Quantities quantities() const { return shares.quantities(); }

  Redis server{Redis::Via::kTcp, Redis::kDurable};
  CpuShares shares;
  const std::string key = unique_name();

 private:
  static std::string unique_name() {
    static std::atomic<int> made = 0;
    return "headroom:" + std::to_string(getpid()) + ":" + std::to_string(++made);
  }
};

// Calls `one(id, body)` for the entries of a reply to XREADGROUP, or to XRANGE.
template <class One>
void entries_of(const redisReply& list, One&& one) {
  for (std::size_t i = 0; i < list.elements; ++i) {
    const redisReply& id = *list.element[i]->element[0];
    const redisReply& body = *list.element[i]->element[1]->element[1];
    one(std::string_view(id.str, id.len), std::string_view(body.str, body.len));
  }
}
template <class One>
void entries(const redisReply& reply, One&& one) {
  if (reply.type != REDIS_REPLY_NIL) entries_of(*reply.element[0]->element[1], one);
}

}  // namespace headroom
#endif
