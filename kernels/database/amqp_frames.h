// The frames of a publish, as AMQP 0-9-1 lays them out (its specification, 2.3.5, 4.2 and 1.8.3.7):
// so that many publishes leave in one buffer, where rabbitmq-c makes three system calls for each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace headroom::amqp {

// A body may have no more: the smallest frame that a server may insist on, without its ends.
inline constexpr std::size_t kLargestBody = 4096 - 8;

template <class T>
void put(T value, std::string& into) {
  for (int byte = static_cast<int>(sizeof value) - 1; byte >= 0; --byte)
    into += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * byte) & 0xff);
}

// type, channel, size, then `size` bytes of content and the end's mark.
inline void begin_frame(std::uint8_t type, std::uint16_t channel, std::size_t size,
                        std::string& into) {
  put(type, into);
  put(channel, into);
  put(static_cast<std::uint32_t>(size), into);
}
inline void end_frame(std::string& into) { into += '\xce'; }

// Adds a publish of `body`, persistent, to the default exchange: it goes to the queue of the name.
inline void append_publish(std::uint16_t channel, std::string_view queue, std::string_view body,
                           std::string& into) {
  constexpr std::uint16_t kBasic = 60, kPublish = 40, kDeliveryMode = 1 << 12;
  begin_frame(1, channel, 2 + 2 + 2 + 1 + 1 + queue.size() + 1, into);
  put(kBasic, into);
  put(kPublish, into);
  put(std::uint16_t{0}, into);
  put(std::uint8_t{0}, into);  // the exchange's name
  put(static_cast<std::uint8_t>(queue.size()), into);
  into += queue;
  put(std::uint8_t{0}, into);  // neither mandatory nor immediate
  end_frame(into);
  begin_frame(2, channel, 2 + 2 + 8 + 2 + 1, into);
  put(kBasic, into);
  put(std::uint16_t{0}, into);
  put(static_cast<std::uint64_t>(body.size()), into);
  put(kDeliveryMode, into);
  put(std::uint8_t{2}, into);  // persistent
  end_frame(into);
  if (body.empty()) return;
  begin_frame(3, channel, body.size(), into);
  into += body;
  end_frame(into);
}

}  // namespace headroom::amqp
