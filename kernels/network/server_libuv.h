// One thread for all connections: libuv's loop, which node.js stands on.
#pragma once

#if defined(__linux__) && HEADROOM_HAVE_LIBUV
#include <uv.h>

#include <array>
#include <memory>
#include <optional>
#include <system_error>

#include "network/serving.h"
#include "support/far_side.h"

namespace headroom::serving {

class LibuvServer {
 public:
  explicit LibuvServer(const Items& items) : items_(items) {
    check(uv_loop_init(&loop_), "uv_loop_init");
    uv_tcp_init(&loop_, &accepting_);
    uv_async_init(&loop_, &stop_, [](uv_async_t* stop) {
      uv_walk(
          stop->loop,
          [](uv_handle_t* handle, void*) {
            if (uv_is_closing(handle) != 0) return;
            uv_close(handle, handle->data != nullptr ? Known::deleted : nullptr);
          },
          nullptr);
    });
    accepting_.data = stop_.data = nullptr;
    int status = uv_tcp_open(&accepting_, dup(listener_.fd()));
    loop_.data = this;
    if (status == 0)
      status = uv_listen(reinterpret_cast<uv_stream_t*>(&accepting_), 4096,
                         [](uv_stream_t* from, int error) {
                           if (error == 0) of(from).accept();
                         });
    thread_.emplace([this] { uv_run(&loop_, UV_RUN_DEFAULT); });
    if (status != 0) {
      stop();
      check(status, "uv_listen");
    }
  }
  ~LibuvServer() { stop(); }
  std::uint16_t port() const { return listener_.port(); }

 private:
  struct Known {
    explicit Known(const Items& items) : talk(items) {}
    static void deleted(uv_handle_t* handle) { delete static_cast<Known*>(handle->data); }
    uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&tcp); }
    void end() {
      auto* const handle = reinterpret_cast<uv_handle_t*>(&tcp);
      if (uv_is_closing(handle) == 0) uv_close(handle, deleted);
    }
    uv_tcp_t tcp;
    uv_write_t writing;
    uv_shutdown_t telling;
    Conversation talk;
    bool told = false;
  };

  static void check(int status, const char* call) {
    if (status < 0) throw std::system_error(-status, std::generic_category(), call);
  }
  template <class Handle>
  static LibuvServer& of(Handle* handle) {
    return *static_cast<LibuvServer*>(handle->loop->data);
  }
  void stop() {
    uv_async_send(&stop_);
    thread_.reset();
    uv_loop_close(&loop_);
  }
  void accept() {
    auto* const one = new Known(items_);
    uv_tcp_init(&loop_, &one->tcp);
    one->tcp.data = one;
    if (uv_accept(reinterpret_cast<uv_stream_t*>(&accepting_), one->stream()) != 0)
      return one->end();
    uv_tcp_nodelay(&one->tcp, 1);
    read(*one);
  }
  static void read(Known& one) {
    // One buffer for all: a connection has nothing of its own while it waits.
    uv_read_start(
        one.stream(),
        [](uv_handle_t* handle, std::size_t, uv_buf_t* into) {
          std::array<char, kRead>& bytes = of(handle).bytes_;
          *into = uv_buf_init(bytes.data(), bytes.size());
        },
        [](uv_stream_t* stream, ssize_t got, const uv_buf_t* bytes) {
          Known& came = *static_cast<Known*>(stream->data);
          if (got < 0) return came.end();
          came.talk.take({bytes->base, static_cast<std::size_t>(got)});
          write(came);
        });
  }
  // At once, without a request that the loop would keep; what doesn't fit is left to the loop, and
  // nothing is read before it is gone.
  static void write(Known& one) {
    while (!one.talk.unsent().empty()) {
      const std::string_view unsent = one.talk.unsent();
      uv_buf_t buffer =
          uv_buf_init(const_cast<char*>(unsent.data()), static_cast<unsigned>(unsent.size()));
      const int sent = uv_try_write(one.stream(), &buffer, 1);
      if (sent > 0) {
        one.talk.sent(static_cast<std::size_t>(sent));
        continue;
      }
      if (sent != UV_EAGAIN) return one.end();
      uv_read_stop(one.stream());
      one.writing.data = &one;
      const int status =
          uv_write(&one.writing, one.stream(), &buffer, 1, [](uv_write_t* writing, int error) {
            Known& written = *static_cast<Known*>(writing->data);
            if (error != 0) return written.end();
            written.talk.sent(written.talk.unsent().size());
            write(written);
            if (uv_is_closing(reinterpret_cast<uv_handle_t*>(&written.tcp)) == 0) read(written);
          });
      if (status != 0) one.end();
      return;
    }
    if (one.talk.over() && !std::exchange(one.told, true))
      uv_shutdown(&one.telling, one.stream(), [](uv_shutdown_t*, int) {});
  }

  const Items& items_;
  Listener listener_;
  uv_loop_t loop_;
  uv_tcp_t accepting_;
  uv_async_t stop_;
  std::array<char, kRead> bytes_;
  std::optional<FarSide> thread_;
};

}  // namespace headroom::serving
#endif
