// The requests of one call of network/http_parse, and what a variant answers: strings, or places in
// the text.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/buffer.h"
#include "core/same.h"
#include "network/http_request.h"

namespace headroom {

struct HttpMessage {
  std::size_t begin = 0, size = 0;
};

struct HttpMessages {
  const char* text;
  std::span<const HttpMessage> messages;
  std::size_t size() const { return messages.size(); }
  std::string_view operator[](std::size_t i) const {
    return {text + messages[i].begin, messages[i].size};
  }
};

// What HttpHead says, in strings.
struct HttpStrings {
  HttpAnswer answer = HttpAnswer::kIncomplete;
  int minor = 0;
  std::size_t end = 0;
  std::uint64_t body = 0;
  std::string method, target;
  std::vector<std::pair<std::string, std::string>> fields;
};

class HttpAnswers {
 public:
  // Room for so many requests and fields, and for those of one that turns out to be wrong.
  void size(std::size_t requests, std::size_t fields) {
    heads_ = Buffer<HttpHead>(requests);
    fields_ = Buffer<HttpField>(fields + kMostFields);
  }

  void set(std::vector<HttpStrings> requests) {
    strings_ = std::move(requests);
    form_ = kStrings;
  }
  // parse(text, fields) writes the fields of one request, and returns its head.
  template <class Parse>
  void parse(const HttpMessages& in, const Parse& parse) {
    HttpField* to = fields_.data();
    for (std::size_t i = 0; i < in.size(); ++i) {
      heads_[i] = parse(in[i], to);
      to += heads_[i].fields;
    }
    form_ = kPlaces;
    requests_ = in.size();
  }

  // All of it in order; a place outside its request, or before what it must follow, as a word.
  std::vector<std::string> strings(const HttpMessages& in) const {
    std::vector<std::string> all;
    const auto add = [&](HttpAnswer answer, int minor, std::uint64_t end, std::uint64_t body) {
      all.push_back("answer " + std::to_string(static_cast<int>(answer)) + " end " +
                    std::to_string(end) + " version 1." + std::to_string(minor) + " body " +
                    std::to_string(body));
    };
    if (form_ == kStrings) {
      for (const HttpStrings& request : strings_) {
        add(request.answer, request.minor, request.end, request.body);
        all.insert(all.end(), {request.method, request.target});
        for (const auto& [name, value] : request.fields) all.insert(all.end(), {name, value});
      }
    }
    if (form_ != kPlaces) return all;
    const HttpField* field = fields_.data();
    const HttpField* const end = field + fields_.size();
    for (std::size_t i = 0; i < std::min(requests_, in.size()); ++i) {
      const HttpHead& head = heads_[i];
      std::size_t last = 0;
      const auto part = [&](const HttpSpan& span) {
        const bool inside = span.begin >= last && span.begin <= in[i].size() &&
                            span.size <= in[i].size() - span.begin;
        last = std::size_t{span.begin} + span.size;
        all.push_back(inside ? std::string(span.of(in[i].data())) : "(no such place)");
      };
      add(head.answer, head.minor, head.end, head.body);
      part(head.method);
      part(head.target);
      for (std::size_t k = 0; k < head.fields && field != end; ++k, ++field) {
        part(field->name);
        part(field->value);
      }
    }
    return all;
  }

  void poison() {
    form_ = kNothing;
    strings_.clear();
    headroom::poison(heads_);
    headroom::poison(fields_);
  }
  bool spoil(Spoil how) {
    if (form_ == kStrings) {
      if (strings_.empty()) return false;
      if (how == Spoil::kFirst) strings_.front().method += 'X';
      if (how == Spoil::kLast) ++strings_.back().end;
      if (how == Spoil::kLength) strings_.pop_back();
      return how != Spoil::kOrder;
    }
    return spoil_counted(how, heads_.data(), requests_);
  }

 private:
  enum { kNothing, kStrings, kPlaces } form_ = kNothing;
  std::vector<HttpStrings> strings_;
  Buffer<HttpHead> heads_;
  Buffer<HttpField> fields_;
  std::size_t requests_ = 0;
};

}  // namespace headroom
