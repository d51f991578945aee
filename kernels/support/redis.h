// A connection to Redis, through hiredis. A kernel that includes this has `// Links: hiredis`.
#pragma once

#include "core/need.h"
#include "support/servers.h"

#if HEADROOM_HAVE_HIREDIS
#include <hiredis/hiredis.h>
#include <sys/time.h>

#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>
#endif

namespace headroom {

#if HEADROOM_HAVE_HIREDIS
// Connected from its beginning to its end. What fails is a std::runtime_error with the server's
// message.
class Redis {
 public:
  enum class Via { kTcp, kSocket };
  // The variables that have a server's address and its password.
  struct Server {
    const char* address;
    const char* password;
  };
  static constexpr Server kVolatile{"HEADROOM_REDIS", "REDISCLI_AUTH"};
  static constexpr Server kDurable{"HEADROOM_REDIS_DURABLE", "HEADROOM_REDIS_DURABLE_AUTH"};
  struct Free {
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
  };
  using Reply = std::unique_ptr<redisReply, Free>;

  // To the server that these variables name, with its password if there is one.
  explicit Redis(Via via, Server server = kVolatile) : address_(server.address) {
    const RedisAddresses all = redis_addresses(server.address);
    if (via == Via::kTcp ? all.port == 0 : all.socket.empty())
      throw std::runtime_error(std::string(server.address) + " names no such address");
    const timeval limit{5, 0};
    context_.reset(via == Via::kTcp ? redisConnectWithTimeout(all.host.c_str(), all.port, limit)
                                    : redisConnectUnixWithTimeout(all.socket.c_str(), limit));
    if (context_ == nullptr) throw std::runtime_error("redis: out of memory");
    if (context_->err != 0) fail(context_->errstr);
    const char* const password = std::getenv(server.password);
    if (password != nullptr && *password != '\0') command({"AUTH", password});
  }

  // The answer to one command, waited for. A command is its words, of any bytes.
  Reply command(std::span<const std::string_view> words) {
    append(words);
    return reply();
  }
  Reply command(std::initializer_list<std::string_view> words) {
    return command(std::span(words.begin(), words.size()));
  }

  // Puts a command into the buffer; it is sent with the next reply that is asked for.
  void append(std::span<const std::string_view> words) {
    texts_.clear();
    sizes_.clear();
    for (const std::string_view word : words) {
      texts_.push_back(word.data());
      sizes_.push_back(word.size());
    }
    if (redisAppendCommandArgv(context_.get(), static_cast<int>(words.size()), texts_.data(),
                               sizes_.data()) != REDIS_OK)
      fail(context_->errstr);
  }
  void append(std::initializer_list<std::string_view> words) {
    append(std::span(words.begin(), words.size()));
  }

  // The answer to the first command that has none yet.
  Reply reply() {
    void* raw = nullptr;
    if (redisGetReply(context_.get(), &raw) != REDIS_OK) fail(context_->errstr);
    Reply reply(static_cast<redisReply*>(raw));
    if (reply->type == REDIS_REPLY_ERROR) fail(reply->str);
    return reply;
  }

  // Where it is one of `headroom run`'s; else 0.
  pid_t process() const { return server_process(address_); }

  // The socket: another thread that shuts it down ends a wait for a reply.
  int fd() const { return context_->fd; }

 private:
  struct Close {
    void operator()(redisContext* context) const { redisFree(context); }
  };

  [[noreturn]] static void fail(std::string_view message) {
    throw std::runtime_error("redis: " + without_names(message));
  }

  const char* address_;  // the variable that has it
  std::unique_ptr<redisContext, Close> context_;
  std::vector<const char*> texts_;
  std::vector<std::size_t> sizes_;
};

namespace internal {
inline bool redis_connects(Redis::Via via) {
  try {
    Redis(via).command({"PING"});
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}
// Whether a write is on the disk before it is acknowledged, as the server says itself.
inline bool redis_keeps(std::string_view setting, std::string_view value) {
  try {
    const Redis::Reply told =
        Redis(Redis::Via::kTcp, Redis::kDurable).command({"CONFIG", "GET", setting});
    return told->elements == 2 && value == told->element[1]->str;
  } catch (const std::runtime_error&) {
    return false;
  }
}
}  // namespace internal

// Whether a connection succeeds; asked once.
inline bool redis_answers() {
  static const bool answers = internal::redis_connects(Redis::Via::kTcp);
  return answers;
}
inline bool redis_socket_answers() {
  static const bool answers = internal::redis_connects(Redis::Via::kSocket);
  return answers;
}
inline bool durable_redis_answers() {
  static const bool answers =
      internal::redis_keeps("appendonly", "yes") && internal::redis_keeps("appendfsync", "always");
  return answers;
}
#else
inline bool redis_answers() { return false; }
inline bool redis_socket_answers() { return false; }
inline bool durable_redis_answers() { return false; }
#endif

inline constexpr Need kRedis{
    "redis", redis_answers,
    "make deps SERVICES=1 (headroom run starts a server), or name HOST:PORT in HEADROOM_REDIS"};
inline constexpr Need kRedisSocket{
    "redis socket", redis_socket_answers,
    "make deps SERVICES=1 (headroom run starts a server), or name a Unix socket in HEADROOM_REDIS"};
inline constexpr Need kDurableRedis{
    "redis-durable", durable_redis_answers,
    "make deps SERVICES=1 (headroom run starts a server), or name HOST:PORT of one with "
    "appendonly=yes and appendfsync=always in HEADROOM_REDIS_DURABLE"};

}  // namespace headroom
