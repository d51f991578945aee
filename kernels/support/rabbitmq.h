// A connection to RabbitMQ, through rabbitmq-c. A kernel that includes this has `// Links:
// rabbitmq`.
#pragma once

#include "core/need.h"
#include "support/servers.h"

#if HEADROOM_HAVE_RABBITMQ
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <sys/time.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#endif

namespace headroom {

#if HEADROOM_HAVE_RABBITMQ
// Connected from its beginning to its end, with one channel. What fails, or takes ten seconds, is a
// std::runtime_error with the server's message.
class RabbitMq {
 public:
  static constexpr amqp_channel_t kChannel = 1;
  struct Delivery {
    std::uint64_t tag = 0;  // counts up on the channel
    bool redelivered = false;
    std::string body;
  };
  // The server has taken over what was published with this number, or up to it.
  struct Confirm {
    std::uint64_t tag = 0;
    bool multiple = false;
  };

  // To the server that HEADROOM_RABBITMQ names: amqp://USER:PASSWORD@HOST:PORT/VHOST.
  RabbitMq() {
    const char* const server = std::getenv("HEADROOM_RABBITMQ");
    std::string text = server == nullptr ? "" : server;  // it is cut into its parts in place
    amqp_connection_info where;
    amqp_default_connection_info(&where);
    if (amqp_parse_url(text.data(), &where) != AMQP_STATUS_OK || where.ssl != 0)
      throw std::runtime_error("HEADROOM_RABBITMQ is no amqp:// address");
    connection_.reset(amqp_new_connection());
    if (connection_ == nullptr) throw std::runtime_error("rabbitmq: out of memory");
    amqp_socket_t* const socket = amqp_tcp_socket_new(get());
    if (socket == nullptr) throw std::runtime_error("rabbitmq: out of memory");
    amqp_set_handshake_timeout(get(), &kLimit);
    amqp_set_rpc_timeout(get(), &kLimit);
    check(amqp_socket_open_noblock(socket, where.host, where.port, &kLimit));
    check(amqp_login(get(), where.vhost, 0, AMQP_DEFAULT_FRAME_SIZE, 0, AMQP_SASL_METHOD_PLAIN,
                     where.user, where.password));
    amqp_channel_open(get(), kChannel);
    check_last();
  }

  // A queue that goes by itself where nobody has used it for an hour: a kernel that was killed
  // leaves it behind. A durable one is there after a restart, with its persistent messages.
  void declare(const std::string& queue, bool durable = true) {
    amqp_table_entry_t expires{amqp_cstring_bytes("x-expires"), {}};
    expires.value.kind = AMQP_FIELD_KIND_I32;
    expires.value.value.i32 = 3'600'000;
    amqp_queue_declare(get(), kChannel, bytes(queue), 0, durable ? 1 : 0, 0, 0, {1, &expires});
    check_last();
  }
  void remove(const std::string& queue) {
    amqp_queue_delete(get(), kChannel, bytes(queue), 0, 0);
    check_last();
  }
  void purge(const std::string& queue) {
    amqp_queue_purge(get(), kChannel, bytes(queue));
    check_last();
  }
  // Messages in the queue that nobody has been given. The answer comes when the server has done
  // what was sent before.
  std::uint32_t count(const std::string& queue) {
    const amqp_queue_declare_ok_t* const told =
        amqp_queue_declare(get(), kChannel, bytes(queue), /*passive=*/1, 0, 0, 0, {0, nullptr});
    check_last();
    return told->message_count;
  }

  // From here on each publish is confirmed, the first with number 1.
  void confirm_publishes() {
    amqp_confirm_select(get(), kChannel);
    check_last();
  }
  void publish(const std::string& queue, std::string_view body, bool persistent = true) {
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties.delivery_mode = persistent ? AMQP_DELIVERY_PERSISTENT : AMQP_DELIVERY_NONPERSISTENT;
    check(amqp_basic_publish(get(), kChannel, amqp_empty_bytes, bytes(queue), 0, 0, &properties,
                             bytes(body)));
  }
  // Waits for the next one.
  Confirm next_confirm() {
    for (;;) {
      amqp_maybe_release_buffers(get());
      amqp_frame_t frame;
      check(amqp_simple_wait_frame_noblock(get(), &frame, &kLimit));
      if (frame.frame_type != AMQP_FRAME_METHOD) continue;
      const amqp_method_t& method = frame.payload.method;
      if (method.id == AMQP_BASIC_ACK_METHOD) {
        const auto* const ack = static_cast<const amqp_basic_ack_t*>(method.decoded);
        return {ack->delivery_tag, ack->multiple != 0};
      }
      if (method.id == AMQP_BASIC_NACK_METHOD) fail("the server could not take a message");
      closed(method);
    }
  }

  // Has the queue's messages sent here, at most `prefetch` that are not acknowledged (0: without a
  // limit). Automatic: each counts as acknowledged when it is sent.
  void consume(const std::string& queue, std::uint16_t prefetch, bool automatic = false) {
    amqp_basic_qos(get(), kChannel, 0, prefetch, 0);
    check_last();
    amqp_basic_consume(get(), kChannel, bytes(queue), amqp_cstring_bytes("headroom"), 0,
                       automatic ? 1 : 0, 0, {0, nullptr});
    check_last();
  }
  // Waits for the next message.
  Delivery next() {
    amqp_maybe_release_buffers(get());
    amqp_envelope_t envelope;
    check(amqp_consume_message(get(), &envelope, &kLimit, 0));
    Delivery got{envelope.delivery_tag, envelope.redelivered != 0, text(envelope.message.body)};
    amqp_destroy_envelope(&envelope);
    return got;
  }
  // All up to `tag` where `multiple` is set.
  void acknowledge(std::uint64_t tag, bool multiple) {
    check(amqp_basic_ack(get(), kChannel, tag, multiple ? 1 : 0));
  }
  // Where it is one of `headroom run`'s; else 0.
  pid_t process() const { return server_process("HEADROOM_RABBITMQ"); }
  // The socket, for frames that are made elsewhere.
  int fd() const { return amqp_get_sockfd(connection_.get()); }

 private:
  static constexpr timeval kLimit{10, 0};
  struct Destroy {
    void operator()(amqp_connection_state_t connection) const {
      amqp_connection_close(connection, AMQP_REPLY_SUCCESS);  // else the server logs a warning
      amqp_destroy_connection(connection);
    }
  };

  amqp_connection_state_t get() const { return connection_.get(); }
  static amqp_bytes_t bytes(std::string_view text) {
    return {text.size(), const_cast<char*>(text.data())};
  }
  static std::string text(amqp_bytes_t bytes) {
    return bytes.len == 0 ? std::string{}
                          : std::string(static_cast<const char*>(bytes.bytes), bytes.len);
  }
  [[noreturn]] static void fail(std::string_view message) {
    throw std::runtime_error("rabbitmq: " + without_names(message));
  }
  static void check(int status) {
    if (status < 0) fail(amqp_error_string2(status));
  }
  void check_last() { check(amqp_get_rpc_reply(get())); }
  static void check(const amqp_rpc_reply_t& reply) {
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) return;
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION) closed(reply.reply);
    fail(reply.library_error != 0 ? amqp_error_string2(reply.library_error) : "no answer");
  }
  // Throws where the server has ended the channel or the connection, with its reason.
  static void closed(const amqp_method_t& method) {
    if (method.id == AMQP_CHANNEL_CLOSE_METHOD)
      fail(text(static_cast<const amqp_channel_close_t*>(method.decoded)->reply_text));
    if (method.id == AMQP_CONNECTION_CLOSE_METHOD)
      fail(text(static_cast<const amqp_connection_close_t*>(method.decoded)->reply_text));
  }

  std::unique_ptr<amqp_connection_state_t_, Destroy> connection_;
};

// Whether a connection succeeds; asked once.
inline bool rabbitmq_answers() {
  static const bool answers = [] {
    try {
      const RabbitMq connection;
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  }();
  return answers;
}
#else
inline bool rabbitmq_answers() { return false; }
#endif

inline constexpr Need kRabbitMqServer{
    "rabbitmq", rabbitmq_answers,
    "make deps SERVICES=1 (headroom run starts a server), or name one in HEADROOM_RABBITMQ"};

}  // namespace headroom
