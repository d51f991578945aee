// network/encoding: the libraries' decoders refuse what ours refuse, and varint's bytes are
// protobuf's.
#include "network/encoding_peers.h"
#include "order_formats.h"

namespace headroom::orders {
namespace {

// A library that was missing when this was built has nothing to check.
struct Missing {};
#if HEADROOM_HAVE_PROTOBUF
using OurProtobuf = Protobuf;
#else
using OurProtobuf = Missing;
#endif
#if HEADROOM_HAVE_FLATBUFFERS
using OurFlatbuffers = Flatbuffers;
#else
using OurFlatbuffers = Missing;
#endif
#if HEADROOM_HAVE_CAPNP
using OurCapnProto = CapnProto;
#else
using OurCapnProto = Missing;
#endif
#if HEADROOM_HAVE_SIMDJSON
using OurSimdjson = Simdjson;
#else
using OurSimdjson = Missing;
#endif

TEMPLATE_TEST_CASE("encoding: a library's format passes orders on, and refuses what is none", "",
                   OurProtobuf, OurFlatbuffers, OurCapnProto, OurSimdjson) {
#if HEADROOM_HAVE_PROTOBUF && GOOGLE_PROTOBUF_VERSION < 4022000
  google::protobuf::SetLogHandler(nullptr);  // it has a line for each text that isn't UTF-8
#endif
  if constexpr (!std::is_same_v<TestType, Missing>) {
    check_passes_everything<TestType>();
    check_refuses_what_is_cut_off<TestType>();
    check_survives_edits<TestType>(1000);
    check_keeps_to_its_room<TestType>();
    check_refuses_bad_text<TestType>();
  }
}

#if HEADROOM_HAVE_PROTOBUF
TEST_CASE("encoding: varint writes protobuf's bytes") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const Samples samples(5, seed);
    CHECK(encoded<Tagged>(samples.orders()) == encoded<Protobuf>(samples.orders()));
  }
}

TEST_CASE("encoding: what protobuf reads in changed bytes, varint reads too") {
  Rng rng(5);
  int groups = 0;
  for (int i = 0; i < 3000; ++i) {
    const Samples samples(2, bounded(rng, 100));
    std::string wire = encoded<Protobuf>(samples.orders());
    const std::size_t at = 4 + bounded(rng, wire.size() - 4);
    wire[at] = static_cast<char>(wire[at] ^ 1 << bounded(rng, 8));
    const std::vector<std::uint64_t> by_protobuf = passed<Protobuf>(wire, 4);
    INFO("byte " << at << " of order pair " << i);
    const std::vector<std::uint64_t> by_varint = passed<Tagged>(wire, 4);
    // Once in a thousand a field becomes a group, with an end: protobuf still passes over those.
    if (by_varint == std::vector<std::uint64_t>{kRefused} && by_protobuf != by_varint)
      ++groups;
    else
      CHECK(by_varint == by_protobuf);
  }
  CHECK(groups <= 3);
}
#endif

}  // namespace
}  // namespace headroom::orders
