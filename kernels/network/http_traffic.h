// Requests as servers get them, made up: what a browser sends, what programs send, and, for tests,
// what is odd or wrong.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>

#include "core/random.h"

namespace headroom {

class HttpTraffic {
 public:
  explicit HttpTraffic(std::uint64_t seed) : rng_(seed) {}

  // A page or a part of one: a dozen fields, a long User-Agent, mostly a cookie.
  void browser(std::string& to) {
    const bool post = choose(16) == 0;
    std::string body;
    if (post) letters(body, 8 + choose(64));
    request_line(to, post ? "POST" : "GET", 3 + choose(3));
    line(to, "Host", host());
    line(to, "Connection", "keep-alive");
    if (choose(3) == 0) line(to, "Cache-Control", choose(2) == 0 ? "max-age=0" : "no-cache");
    if (choose(2) == 0)
      line(to, "sec-ch-ua",
           joined({R"("Chromium";v=")", number(90, 60), R"(", "Not)A;Brand";v=")", number(8, 91),
                   "\""}));
    if (choose(2) == 0) line(to, "sec-ch-ua-mobile", "?0");
    if (choose(2) == 0) line(to, "Upgrade-Insecure-Requests", "1");
    line(to, "User-Agent", user_agent());
    if (post) {
      line(to, "Content-Type", "application/x-www-form-urlencoded");
      line(to, "Content-Length", std::to_string(body.size()));
      line(to, "Origin", "https://" + host());
    }
    static constexpr std::string_view kAccepts[] = {
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "text/css,*/*;q=0.1",
        "*/*"};
    line(to, "Accept", kAccepts[choose(std::size(kAccepts))]);
    static constexpr std::string_view kParts[] = {"document", "image", "script", "empty", "style"};
    static constexpr std::string_view kSites[] = {"none", "same-origin", "same-site", "cross-site"};
    if (choose(4) != 0) {
      line(to, "Sec-Fetch-Site", kSites[choose(std::size(kSites))]);
      line(to, "Sec-Fetch-Mode", choose(2) == 0 ? "navigate" : "no-cors");
      line(to, "Sec-Fetch-Dest", kParts[choose(std::size(kParts))]);
    }
    if (choose(3) != 0) line(to, "Referer", joined({"https://", host(), path(1 + choose(4))}));
    line(to, "Accept-Encoding", choose(2) == 0 ? "gzip, deflate, br" : "gzip, deflate");
    line(to, "Accept-Language", choose(2) == 0 ? "en-US,en;q=0.9" : "de-DE,de;q=0.8,en;q=0.6");
    if (choose(4) != 0) line(to, "Cookie", cookie());
    if (choose(4) == 0) line(to, "If-None-Match", "W/\"" + hexadecimal(16) + '"');
    to += "\r\n";
    to += body;
  }

  // A program's: a few short fields.
  void api(std::string& to) {
    const bool post = choose(4) == 0;
    std::string body;
    if (post) letters(body, 2 + choose(80));
    static constexpr std::string_view kMethods[] = {"GET", "GET", "GET", "PUT", "DELETE", "HEAD"};
    const std::string_view method = post ? "POST" : kMethods[choose(std::size(kMethods))];
    request_line(to, method, 1 + choose(4));
    line(to, "Host", host());
    static constexpr std::string_view kAgents[] = {"curl/7.", "Go-http-client/1.", "okhttp/4.",
                                                   "python-requests/2.", "wrk/4."};
    if (choose(8) != 0)
      line(to, "User-Agent",
           joined({std::string(kAgents[choose(std::size(kAgents))]), number(1, 90)}));
    line(to, "Accept", choose(2) == 0 ? "*/*" : "application/json");
    if (choose(2) == 0) {
      std::string token;
      letters(token, 20 + choose(60));
      line(to, choose(2) == 0 ? "Authorization" : "authorization", "Bearer " + token);
    }
    if (choose(3) == 0) line(to, "X-Request-Id", hexadecimal(32));
    if (post) {
      line(to, "Content-Type", "application/json");
      line(to, "Content-Length", std::to_string(body.size()));
    }
    to += "\r\n";
    to += body;
  }

  // One of them with what is rare, or one to three bytes of it changed, or cut off.
  void odd(std::string& to) {
    std::string request;
    if (choose(8) == 0) request = choose(2) == 0 ? "\r\n" : "\n";
    const std::size_t first = request.size();
    choose(2) == 0 ? browser(request) : api(request);
    static constexpr std::string_view kLines[] = {"X-Empty:\r\n",
                                                  "X-Blank: \t \r\n",
                                                  "X-Tab:a\tb\t \r\n",
                                                  "x:y\n",
                                                  "X-High: \xc3\xa9\r\n",
                                                  "Content-Length: 7\r\n",
                                                  "CONTENT-length:0\r\n",
                                                  "Transfer-Encoding: chunked\r\n",
                                                  " folded\r\n",
                                                  "No-Colon\r\n",
                                                  "Bad Name: 1\r\n",
                                                  ": no name\r\n",
                                                  "a:b\rc\r\n",
                                                  "Content-Length: 99999999999999999999\r\n",
                                                  "X-Long: "};
    if (choose(2) == 0) {
      std::size_t line = first;
      for (std::uint64_t k = 1 + choose(4); k > 0; --k)
        line = std::min(request.find('\n', line), request.size() - 1) + 1;
      std::string extra(kLines[choose(std::size(kLines))]);
      if (!extra.ends_with('\n')) {
        letters(extra, choose(300));
        extra += "\r\n";
      }
      request.insert(std::min(line, request.size()), extra);
    }
    static constexpr std::string_view kMarks = "\r\n :\t\x7f\x80\0/H9\"";
    if (choose(3) == 0)
      for (std::uint64_t k = 1 + choose(3); k > 0; --k)
        request[choose(request.size())] = kMarks[choose(kMarks.size())];
    if (choose(4) == 0) request.resize(choose(request.size() + 1));
    to += request;
  }

  // As many fields as that, each as short as can be, in a small request.
  static std::string many_fields(std::size_t count) {
    std::string request = "GET / HTTP/1.1\r\n";
    for (std::size_t i = 0; i < count; ++i) request += "a:b\r\n";
    return request + "\r\n";
  }

 private:
  std::uint64_t choose(std::uint64_t k) { return bounded(rng_, k); }

  // A list in braces is evaluated from left to right; the operands of + are as the compiler likes,
  // and with them the numbers that are drawn.
  static std::string joined(std::initializer_list<std::string> parts) {
    std::string all;
    for (const std::string& part : parts) all += part;
    return all;
  }
  static void line(std::string& to, std::string_view name, std::string_view value) {
    to += name;
    to += ": ";
    to += value;
    to += "\r\n";
  }
  void letters(std::string& to, std::uint64_t count) {
    static constexpr std::string_view kLetters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    for (; count > 0; --count) to += kLetters[choose(kLetters.size())];
  }
  std::string hexadecimal(std::size_t count) {
    std::string text;
    for (; count > 0; --count) text += "0123456789abcdef"[choose(16)];
    return text;
  }
  std::string number(std::uint64_t from, std::uint64_t count) {
    return std::to_string(from + choose(count));
  }
  std::string host() {
    static constexpr std::string_view kHosts[] = {"www.", "api.", "static.", "", "img1.cdn."};
    std::string text(kHosts[choose(std::size(kHosts))]);
    for (std::uint64_t k = 4 + choose(10); k > 0; --k) text += static_cast<char>('a' + choose(26));
    return text + (choose(2) == 0 ? ".com" : ".example.org");
  }
  std::string path(std::uint64_t parts) {
    static constexpr std::string_view kParts[] = {"api",    "v1",     "users", "items",  "static",
                                                  "assets", "images", "2026",  "search", "orders"};
    std::string text;
    for (; parts > 0; --parts) {
      text += '/';
      if (choose(3) == 0)
        letters(text, 1 + choose(16));
      else
        text += kParts[choose(std::size(kParts))];
    }
    return text;
  }
  void request_line(std::string& to, std::string_view method, std::uint64_t parts) {
    to += method;
    to += ' ';
    to += path(parts);
    if (choose(3) == 0) {
      to += "?id=";
      letters(to, 1 + choose(24));
      to += "&page=" + number(1, 1000);
    }
    to += choose(32) == 0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n";
  }
  std::string user_agent() {
    static constexpr std::string_view kSystems[] = {
        "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64",
        "iPhone; CPU iPhone OS 17_5 like Mac OS X", "Linux; Android 14; Pixel 8"};
    const std::string system(kSystems[choose(std::size(kSystems))]);
    const std::string version = joined({number(90, 60), ".", number(0, 7000), ".", number(0, 200)});
    switch (choose(3)) {
      case 0:
        return "Mozilla/5.0 (" + system + "; rv:" + version + ") Gecko/20100101 Firefox/" + version;
      case 1:
        return "Mozilla/5.0 (" + system + ") AppleWebKit/605.1.15 (KHTML, like Gecko) Version/" +
               version + " Mobile/15E148 Safari/604.1";
      default:
        return "Mozilla/5.0 (" + system + ") AppleWebKit/537.36 (KHTML, like Gecko) Chrome/" +
               version + " Safari/537.36";
    }
  }
  std::string cookie() {
    static constexpr std::string_view kNames[] = {"session", "_ga",     "_gid", "csrftoken",
                                                  "theme",   "consent", "uid"};
    std::string text;
    for (std::uint64_t k = 1 + choose(5); k > 0; --k) {
      text += kNames[choose(std::size(kNames))];
      text += '=';
      letters(text, 4 + choose(40));
      if (k > 1) text += "; ";
    }
    return text;
  }
  FastRng rng_;
};

}  // namespace headroom
