// The servers of network/server by name, those that run here: for their test, and for `make
// wrk-check`.
#pragma once

#ifdef __linux__
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "network/server_asio.h"
#include "network/server_epoll.h"
#include "network/server_libuv.h"
#include "network/server_threads.h"
#include "network/server_uring.h"

namespace headroom::serving {

class AnyServer {
 public:
  virtual ~AnyServer() = default;
  virtual std::uint16_t port() const = 0;
};

struct ServerByName {
  std::string_view name;  // as in the kernel's table
  std::unique_ptr<AnyServer> (*start)();
};

template <class Kind>
std::unique_ptr<AnyServer> start_server() {
  class Started final : public AnyServer {
   public:
    std::uint16_t port() const override { return server_.port(); }

   private:
    Items items_;
    Kind server_{items_};
  };
  return std::make_unique<Started>();
}

inline std::vector<ServerByName> servers_by_name() {
  std::vector<ServerByName> all{{"naive", start_server<ThreadServer<Leaves::kEach>>},
                                {"threads", start_server<ThreadServer<Leaves::kTogether>>},
                                {"epoll", start_server<EpollServer<Trigger::kLevel>>},
                                {"epoll_edge", start_server<EpollServer<Trigger::kEdge>>}};
#if HEADROOM_URING_SERVER
  if (has_uring_server()) all.push_back({"uring", start_server<UringServer>});
#endif
#if HEADROOM_HAVE_LIBUV
  all.push_back({"libuv", start_server<LibuvServer>});
#endif
#if HEADROOM_HAVE_ASIO
  all.push_back({"asio", start_server<AsioServer>});
#endif
  return all;
}

}  // namespace headroom::serving
#endif
