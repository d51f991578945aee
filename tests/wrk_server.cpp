// One of the servers of network/server, for `make wrk-check`: prints its port, and serves until its
// input ends. It listens on 127.0.0.1 alone, and ends with whoever started it.
#include <cstdio>
#include <cstring>

#include "http_servers.h"

int main(int argc, char** argv) {
#ifdef __linux__
  using namespace headroom;
  if (argc == 2 && serving::has_descriptors() && sockets::tcp_works()) {
    const auto all = serving::servers_by_name();
    if (std::strcmp(argv[1], "list") == 0) {
      for (const serving::ServerByName& kind : all) std::puts(std::string(kind.name).c_str());
      return 0;
    }
    for (const serving::ServerByName& kind : all) {
      if (kind.name != argv[1]) continue;
      const std::unique_ptr<serving::AnyServer> server = kind.start();
      std::printf("%u\n", unsigned{server->port()});
      std::fflush(stdout);
      while (std::getchar() != EOF) {
      }
      return 0;
    }
  }
#endif
  std::fprintf(stderr, "usage: %s list|NAME of a server that runs here\n",
               argc > 0 ? argv[0] : "wrk-server");
  return 2;
}
