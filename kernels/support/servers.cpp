#include "support/servers.h"

#include <charconv>
#include <cstdlib>

namespace headroom {
namespace {

void add_address(std::string_view text, RedisAddresses& all) {
  if (!text.empty() && text.front() == '/') {
    all.socket = text;
    return;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return;
  std::string_view host = text.substr(0, colon), port = text.substr(colon + 1);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  int number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size() || number < 1 || number > 65535)
    return;
  all.host = host;
  all.port = number;
}

}  // namespace

RedisAddresses parse_redis_addresses(std::string_view text) {
  RedisAddresses all;
  for (;;) {
    const std::size_t comma = text.find(',');
    add_address(text.substr(0, comma), all);
    if (comma == std::string_view::npos) return all;
    text.remove_prefix(comma + 1);
  }
}

RedisAddresses redis_addresses(const char* variable) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it any more
  const char* const text = std::getenv(variable);
  return parse_redis_addresses(text == nullptr ? "" : text);
}

pid_t server_process(const char* variable) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it any more
  const char* const text = std::getenv((std::string(variable) + "_PROCESS").c_str());
  const std::string_view digits = text == nullptr ? "" : text;
  pid_t process = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, process);
  return error == std::errc{} && stop == end && process > 0 ? process : 0;
}

std::uint16_t loopback_port(std::string_view text) {
  const RedisAddresses where = parse_redis_addresses(text);
  const bool only = where.socket.empty() && where.host == "127.0.0.1";
  return only ? static_cast<std::uint16_t>(where.port) : std::uint16_t{0};
}

std::string without_names(std::string_view message) {
  // What stands before is where the connection went.
  constexpr std::string_view kFailed = "failed: ";
  const std::size_t failed = message.rfind(kFailed);
  if (failed != std::string_view::npos) message.remove_prefix(failed + kFailed.size());
  std::string kept;
  char quote = 0;  // that a name is in; an apostrophe within a word is none
  for (const char c : message.substr(0, message.find('\n'))) {
    const bool mark = c == '"' || (c == '\'' && (quote == c || kept.empty() || kept.back() == ' '));
    if (quote == 0 || c == quote) kept += c;
    if (mark && quote == 0)
      quote = c;
    else if (c == quote)
      quote = 0;
  }
  return kept;
}

}  // namespace headroom
