// Other people's parsers as variants of network/http_parse. Each accepts a little more than ours,
// or a little less, so what it accepts is looked over, where that costs next to nothing, and what
// is in doubt goes to parse_http_head. It also tells where a request is wrong; a peer can't.
#pragma once

#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

#include "core/need.h"
#include "core/run.h"
#include "network/http_answers.h"
#include "network/http_request.h"
#if HEADROOM_HAVE_HTTP_PARSER
// What its header includes, before it: the two have names in common, so one is in a namespace.
#include <stdint.h>
#include <sys/types.h>
namespace headroom::nodejs {
#include <http_parser.h>
}
#undef HTTP_ERRNO_MAP
#undef HTTP_METHOD_MAP
#undef HTTP_STATUS_MAP
#endif
#if HEADROOM_HAVE_LLHTTP
#include <llhttp.h>
#endif

namespace headroom {

// What a peer found, on its way to a head. Peers don't say where the method is, and accept more
// blanks than one, or another protocol, in the request line.
struct PeerHead {
  std::string_view text;
  HttpField* fields = nullptr;
  HttpHead head;
  std::size_t count = 0;  // of fields
  bool has_name = false;  // a name came, and its value has yet to
  bool doubt = false;

  HttpSpan span(const char* at, std::size_t size) const {
    return {static_cast<std::uint32_t>(at - text.data()), static_cast<std::uint32_t>(size)};
  }
  void target(const char* at, std::size_t size) {
    head.target = span(at, size);
    const std::size_t before = head.target.begin, end = before + size;
    if (size == 0 || before < 2 || text.size() - end < 10 ||
        std::memcmp(at + size, " HTTP/1.", 8) != 0) {
      doubt = true;
      return;
    }
    head.method = {0, static_cast<std::uint32_t>(before - 1)};
    // An empty line before it, or another blank.
    doubt |= text[0] == '\r' || text[0] == '\n' || text[before - 2] == ' ';
    // A character that is no token's.
    for (std::size_t i = 0; i < before - 1; ++i) doubt |= !is_http(text[i], kHttpToken);
    // A byte from 0x80 on, or below 0x21: the top bit of `x` or of the difference (a borrow only
    // adds doubt).
    std::uint64_t odd = 0;
    std::size_t i = 0;
    for (; i + 8 <= size; i += 8) {
      std::uint64_t x;
      std::memcpy(&x, at + i, 8);
      odd |= x | (x - 0x2121212121212121);
    }
    for (; i < size; ++i) doubt |= !is_http(at[i], kHttpVisible);
    doubt |= (odd & 0x8080808080808080) != 0;
  }
  // Debian's http_parser is the build that isn't strict: blanks in names. llhttp: no name at all.
  bool name(const char* at, std::size_t size) {
    if (count == kMostFields || has_name || size == 0) return false;
    if (std::memchr(at, ' ', size) != nullptr) return false;
    fields[count].name = span(at, size);
    has_name = true;
    return true;
  }
  // A second value for a name, or one on another line than its colon, is a folded line. http_parser
  // lets any first character of a value pass.
  bool value(const char* at, std::size_t size) {
    if (!has_name) return false;
    const char* const colon = fields[count].name.of(text.data()).end();
    for (const char* blank = colon + 1; blank < at; ++blank)
      if (!is_http_blank(*blank)) return false;
    if (size > 0 && !is_http(at[0], kHttpText)) return false;
    while (size > 0 && is_http_blank(at[size - 1])) --size;
    fields[count++].value = span(at, size);
    has_name = false;
    return true;
  }
  // `size` is the head's, or 0 where the peer refused. A CR that ends the head may have anything
  // behind it.
  HttpHead end(std::size_t size, int minor, std::uint64_t body) {
    if (size == 0 || doubt || has_name || text[size - 1] != '\n')
      return parse_http_head(text.data(), text.size(), fields);
    head.minor = static_cast<std::uint8_t>(minor);
    head.body = body;
    head.end = static_cast<std::uint32_t>(size);
    head.fields = static_cast<std::uint16_t>(count);
    head.answer = HttpAnswer::kComplete;
    return head;
  }
};

// Callbacks that both parsers of Node.js have: they differ in the type of the parser.
template <class Parser>
struct PeerCallbacks {
  static PeerHead& head(const Parser* parser) { return *static_cast<PeerHead*>(parser->data); }
  static int on_url(Parser* parser, const char* at, std::size_t size) {
    head(parser).target(at, size);
    return 0;
  }
  static int on_name(Parser* parser, const char* at, std::size_t size) {
    return head(parser).name(at, size) ? 0 : 1;
  }
  static int on_value(Parser* parser, const char* at, std::size_t size) {
    return head(parser).value(at, size) ? 0 : 1;
  }
  static int on_head(Parser*) { return 2; }  // nothing that follows is this parser's
};

#if HEADROOM_HAVE_HTTP_PARSER
inline void parse_http_parser(const HttpMessages& in, HttpAnswers& out) {
  using Callbacks = PeerCallbacks<nodejs::http_parser>;
  nodejs::http_parser_settings settings;
  nodejs::http_parser_settings_init(&settings);
  settings.on_url = Callbacks::on_url;
  settings.on_header_field = Callbacks::on_name;
  settings.on_header_value = Callbacks::on_value;
  settings.on_headers_complete = Callbacks::on_head;
  out.parse(in, [&](std::string_view text, HttpField* fields) {
    PeerHead head{.text = text, .fields = fields};
    nodejs::http_parser parser;
    parser.data = &head;
    nodejs::http_parser_init(&parser, nodejs::HTTP_REQUEST);
    const std::size_t parsed =
        nodejs::http_parser_execute(&parser, &settings, text.data(), text.size());
    const bool known = parser.content_length != std::numeric_limits<std::uint64_t>::max();
    const bool good = parser.http_errno == nodejs::HPE_OK && parser.upgrade != 0 &&
                      parser.uses_transfer_encoding == 0 &&
                      (!known || parser.content_length <= HttpBody::kMost);
    return head.end(good ? parsed : 0, parser.http_minor, known ? parser.content_length : 0);
  });
}
#endif

#if HEADROOM_HAVE_LLHTTP
inline void parse_llhttp(const HttpMessages& in, HttpAnswers& out) {
  using Callbacks = PeerCallbacks<llhttp_t>;
  llhttp_settings_t settings;
  llhttp_settings_init(&settings);
  settings.on_url = Callbacks::on_url;
  settings.on_header_field = Callbacks::on_name;
  settings.on_header_value = Callbacks::on_value;
  settings.on_headers_complete = Callbacks::on_head;
  llhttp_t parser;
  llhttp_init(&parser, HTTP_REQUEST, &settings);
  out.parse(in, [&](std::string_view text, HttpField* fields) {
    PeerHead head{.text = text, .fields = fields};
    llhttp_reset(&parser);
    parser.data = &head;
    const bool good = llhttp_execute(&parser, text.data(), text.size()) == HPE_PAUSED_UPGRADE &&
                      (parser.flags & F_TRANSFER_ENCODING) == 0 &&
                      parser.content_length <= HttpBody::kMost;
    const std::size_t end =
        good ? static_cast<std::size_t>(llhttp_get_error_pos(&parser) - text.data()) : 0;
    return head.end(end, parser.http_minor, parser.content_length);
  });
}
#endif

// picohttpparser has no package of its own; H2O's library exports it. Its one function here, as its
// manual has it.
struct PicoField {
  const char* name;
  std::size_t name_size;
  const char* value;
  std::size_t value_size;
};
using PicoParse = int(const char* text, std::size_t size, const char** method,
                      std::size_t* method_size, const char** path, std::size_t* path_size,
                      int* minor, PicoField* fields, std::size_t* count, std::size_t last_size);

inline PicoParse* pico_parse() {
  static PicoParse* const found = []() -> PicoParse* {
    if (HEADROOM_HAVE_PICOHTTPPARSER == 0) return nullptr;
    for (const char* name : {"libh2o.so.0.13", "libh2o.so"})
      if (void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL))
        if (void* const function = dlsym(library, "phr_parse_request"))
          return reinterpret_cast<PicoParse*>(function);
    return nullptr;
  }();
  return found;
}

inline void parse_pico(const HttpMessages& in, HttpAnswers& out) {
  PicoParse* const parse = pico_parse();
  out.parse(in, [parse](std::string_view text, HttpField* fields) {
    PeerHead head{.text = text, .fields = fields};
    PicoField found[kMostFields];
    std::size_t count = kMostFields, method_size = 0, path_size = 0;
    const char *method = nullptr, *path = nullptr;
    int minor = 0;
    const int end = parse(text.data(), text.size(), &method, &method_size, &path, &path_size,
                          &minor, found, &count, 0);
    if (end <= 0 || method != text.data() || minor > 9) return head.end(0, 0, 0);
    head.target(path, path_size);
    HttpBody body;
    for (std::size_t i = 0; i < count && !head.doubt; ++i) {
      head.doubt = found[i].name == nullptr || !head.name(found[i].name, found[i].name_size) ||
                   !head.value(found[i].value, found[i].value_size) ||
                   body.add(text.data(), fields[i]) != HttpAnswer::kComplete;
    }
    return head.end(static_cast<std::size_t>(end), minor, body.size());
  });
}

#if HEADROOM_HAVE_HTTP_PARSER
inline constexpr auto kHttpParserRun = run<parse_http_parser>;
#else
inline constexpr auto kHttpParserRun = kNotBuilt;
#endif
#if HEADROOM_HAVE_LLHTTP
inline constexpr auto kLlhttpRun = run<parse_llhttp>;
#else
inline constexpr auto kLlhttpRun = kNotBuilt;
#endif
inline constexpr auto kPicoRun = run<parse_pico>;
inline constexpr Need kPico{"picohttpparser", [] { return pico_parse() != nullptr; },
                            "install libh2o0.13 (H2O's library)"};

}  // namespace headroom
