// A server program that is installed on this machine (nginx, haproxy), which a test starts and
// always ends, and the little HTTP that the origins behind it speak. Linux only: there the system
// ends a child whose parent was killed.
#pragma once

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <exception>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/sockets.h"

namespace headroom {

// Where it is: servers lie in folders that a user's PATH often lacks. Empty where it isn't there.
inline std::string program_named(const std::string& name) {
  for (const char* folder : {"/usr/sbin/", "/usr/local/sbin/", "/usr/bin/", "/usr/local/bin/"})
    if (access((folder + name).c_str(), X_OK) == 0) return folder + name;
  return {};
}

// Ports of 127.0.0.1, different ones, that were free a moment ago.
inline std::vector<std::uint16_t> free_ports(std::size_t count) {
  std::vector<sockets::Socket> listeners;
  std::vector<std::uint16_t> ports;
  while (ports.size() < count) {
    listeners.push_back(sockets::listen_tcp());
    ports.push_back(sockets::port_of(listeners.back()));
  }
  return ports;
}

// Runs a command, which must stay in the foreground, until it goes out of scope.
class ServerProgram {
 public:
  explicit ServerProgram(std::vector<std::string> command) {
    std::vector<char*> words;  // made before the fork: other threads may hold malloc's lock then
    words.reserve(command.size() + 1);
    for (std::string& word : command) words.push_back(word.data());
    words.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      execv(words[0], words.data());
      _exit(127);
    }
  }
  ServerProgram(ServerProgram&&) = delete;
  ~ServerProgram() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  // Whether it listens at the port within 20 s; false at once where it has ended.
  bool listens(std::uint16_t port) {
    for (int turn = 0; turn < 400 && pid_ > 0; ++turn) {
      try {
        sockets::connect_tcp(port);
        return true;
      } catch (const std::exception&) {
        if (waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
    }
    return false;
  }

 private:
  pid_t pid_ = -1;
};

// A request without a body, up to its empty line; less where the other end has gone.
inline std::string http_request(const sockets::Socket& connection) {
  std::string text;
  char part[4096];
  while (text.find("\r\n\r\n") == std::string::npos) {
    const std::size_t more = sockets::receive_some(connection.fd(), part, sizeof part);
    if (more == 0) break;
    text.append(part, more);
  }
  return text;
}

// What it asks for; empty where it is no GET.
inline std::string http_path(const std::string& request) {
  if (request.rfind("GET ", 0) != 0) return {};
  return request.substr(4, request.find(' ', 4) - 4);
}

inline bool http_answer(const sockets::Socket& connection, const std::string& body) {
  const std::string text =
      "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
      "\r\n\r\n" + body;
  return sockets::send_all(connection.fd(), text.data(), text.size());
}

// Sends a GET that is the connection's only one.
inline bool http_get(const sockets::Socket& connection, const std::string& path) {
  const std::string text = "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  return sockets::send_all(connection.fd(), text.data(), text.size());
}

// Whether it is an answer of status 200 that ends with `body`.
inline bool http_answered(const std::string& answer, const std::string& body) {
  return answer.rfind("HTTP/1.1 200 ", 0) == 0 && answer.size() > body.size() + 4 &&
         answer.compare(answer.size() - body.size() - 4, std::string::npos, "\r\n\r\n" + body) == 0;
}

}  // namespace headroom
#endif
