// One thread for all connections: Asio's io_context, told that no other thread uses it.
#pragma once

#if defined(__linux__) && HEADROOM_HAVE_ASIO
#include <array>
#include <asio.hpp>
#include <memory>
#include <optional>

#include "network/serving.h"
#include "support/far_side.h"

namespace headroom::serving {

class AsioServer {
 public:
  explicit AsioServer(const Items& items)
      : items_(items), acceptor_(context_, asio::ip::tcp::v4(), dup(listener_.fd())) {
    accept();
    thread_.emplace([this] { context_.run(); });
  }
  ~AsioServer() {
    // The one call that another thread may make of such a context.
    context_.stop();
    thread_.reset();
  }
  std::uint16_t port() const { return listener_.port(); }

 private:
  // Kept by the handler that waits for its next event, and gone with it.
  class Known : public std::enable_shared_from_this<Known> {
   public:
    Known(asio::ip::tcp::socket socket, AsioServer& server)
        : socket_(std::move(socket)), server_(server), talk_(server.items_) {
      asio::error_code ignored;
      socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
      socket_.non_blocking(true, ignored);
    }
    // Not into the shared buffer, which another connection may fill before this handler runs: waits
    // for bytes, and reads them then.
    void read() {
      socket_.async_wait(socket_.wait_read,
                         [self = shared_from_this()](const asio::error_code& error) {
                           if (!error) self->ready();
                         });
    }

   private:
    void ready() {
      asio::error_code error;
      const std::size_t got = socket_.read_some(asio::buffer(server_.bytes_), error);
      if (error == asio::error::would_block) return read();
      if (error) return;
      talk_.take({server_.bytes_.data(), got});
      write();
    }
    // At once; what doesn't fit is left to the context, and nothing is read before it is gone.
    void write() {
      asio::error_code error;
      while (!talk_.unsent().empty()) {
        const std::string_view unsent = talk_.unsent();
        const std::size_t sent =
            socket_.write_some(asio::buffer(unsent.data(), unsent.size()), error);
        if (error == asio::error::would_block)
          return socket_.async_wait(socket_.wait_write,
                                    [self = shared_from_this()](const asio::error_code& failed) {
                                      if (!failed) self->write();
                                    });
        if (error) return;
        talk_.sent(sent);
      }
      if (talk_.over() && !std::exchange(told_, true))
        socket_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
      read();
    }

    asio::ip::tcp::socket socket_;
    AsioServer& server_;
    Conversation talk_;
    bool told_ = false;
  };

  void accept() {
    acceptor_.async_accept([this](const asio::error_code& error, asio::ip::tcp::socket socket) {
      if (!error) std::make_shared<Known>(std::move(socket), *this)->read();
      if (error == asio::error::no_descriptors) listener_.turn_away();
      accept();
    });
  }

  const Items& items_;
  Listener listener_;
  std::array<char, kRead> bytes_;
  asio::io_context context_{ASIO_CONCURRENCY_HINT_UNSAFE_IO};
  asio::ip::tcp::acceptor acceptor_;
  std::optional<FarSide> thread_;
};

}  // namespace headroom::serving
#endif
