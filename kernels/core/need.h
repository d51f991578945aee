// What a variant needs beyond a C++ compiler: libraries chosen at build time, features of the host.
// A need that is not met never falls back silently: the variant is listed as missing, with the
// cure.
#pragma once

#include <string_view>

namespace headroom {

struct Need {
  std::string_view name;  // "openmp"
  bool (*met)();          // asked at run time
  std::string_view cure;  // what to install or to change
};

namespace internal {
bool has_direct_io();
bool has_two_cores();
bool built_with_openmp();
bool built_with_sqlite();
bool built_with_openblas();
bool built_with_tbb();
bool built_with_fast_float();
bool built_with_vqsort();
bool built_with_zlib();
bool built_with_isal();
bool built_with_simdjson();
bool built_with_re2();
bool built_with_primesieve();
bool built_with_boost_flat_map();
bool built_with_roaring();
bool built_with_atomic_queue();
bool built_with_concurrentqueue();
bool built_with_cuckoo();
bool built_with_cds();
bool built_with_urcu();
bool built_with_http_parser();
bool built_with_llhttp();
bool built_with_protobuf();
bool built_with_flatbuffers();
bool built_with_capnp();
bool built_with_libpq();
bool built_with_hiredis();
bool built_with_rabbitmq();
bool built_with_libuv();
bool built_with_asio();
bool built_with_opencl();
bool built_with_mpi();
}  // namespace internal

// Libraries found when the program was configured. A kernel that uses one names it in a line
// "// Links: openblas" of its .cpp file; the build then links it where it is there, and defines
// HEADROOM_HAVE_OPENBLAS as 0 or 1 (cmake/dependencies.cmake).
inline constexpr Need kOpenMp{
    "openmp", internal::built_with_openmp,
    "install the compiler's OpenMP run time (clang: libomp-dev), rebuild"};
inline constexpr Need kSqlite{"sqlite3", internal::built_with_sqlite,
                              "install libsqlite3-dev, rebuild"};
inline constexpr Need kOpenBlas{"openblas", internal::built_with_openblas,
                                "install libopenblas-dev, rebuild"};
inline constexpr Need kTbb{"tbb", internal::built_with_tbb, "install libtbb-dev, rebuild"};
inline constexpr Need kFastFloat{"fast_float", internal::built_with_fast_float,
                                 "install libfast-float-dev, rebuild"};
inline constexpr Need kVqsort{"vqsort", internal::built_with_vqsort,
                              "install libhwy-dev with its contrib library, rebuild"};
inline constexpr Need kZlib{"zlib", internal::built_with_zlib, "install zlib1g-dev, rebuild"};
inline constexpr Need kIsal{"isa-l", internal::built_with_isal, "install libisal-dev, rebuild"};
inline constexpr Need kSimdjson{"simdjson", internal::built_with_simdjson,
                                "install libsimdjson-dev, rebuild"};
inline constexpr Need kRe2{"re2", internal::built_with_re2, "install libre2-dev, rebuild"};
inline constexpr Need kPrimesieve{"primesieve", internal::built_with_primesieve,
                                  "install libprimesieve-dev, rebuild"};
// Not among the packages that deps.sh offers: Debian 12's libboost1.81-dev removes python3-scipy.
inline constexpr Need kBoostFlatMap{
    "boost::unordered_flat_map", internal::built_with_boost_flat_map,
    "put the headers of Boost 1.81 or later where the compiler looks, rebuild"};
inline constexpr Need kRoaring{"croaring", internal::built_with_roaring,
                               "install libroaring-dev, rebuild"};
inline constexpr Need kAtomicQueue{"atomic_queue", internal::built_with_atomic_queue,
                                   "install libatomic-queue-dev, rebuild"};
inline constexpr Need kConcurrentQueue{"concurrentqueue", internal::built_with_concurrentqueue,
                                       "install libconcurrentqueue-dev, rebuild"};
inline constexpr Need kCuckoo{"libcuckoo", internal::built_with_cuckoo,
                              "install libcuckoo-dev, rebuild"};
inline constexpr Need kCds{"libcds", internal::built_with_cds, "install libcds-dev, rebuild"};
inline constexpr Need kUrcu{"liburcu", internal::built_with_urcu, "install liburcu-dev, rebuild"};
inline constexpr Need kHttpParser{"http_parser", internal::built_with_http_parser,
                                  "install libhttp-parser-dev, rebuild"};
inline constexpr Need kLlhttp{"llhttp", internal::built_with_llhttp,
                              "install node-llhttp (Fedora: llhttp-devel), rebuild"};
inline constexpr Need kLibuv{"libuv", internal::built_with_libuv, "install libuv1-dev, rebuild"};
inline constexpr Need kAsio{"asio", internal::built_with_asio, "install libasio-dev, rebuild"};
inline constexpr Need kProtobuf{"protobuf", internal::built_with_protobuf,
                                "install libprotobuf-dev and protobuf-compiler, rebuild"};
inline constexpr Need kFlatbuffers{"flatbuffers", internal::built_with_flatbuffers,
                                   "install libflatbuffers-dev and flatbuffers-compiler, rebuild"};
inline constexpr Need kCapnp{"capnproto", internal::built_with_capnp,
                             "install libcapnp-dev and capnproto, rebuild"};
// With the servers that they talk to: support/postgres.h, redis.h and rabbitmq.h have those needs.
inline constexpr Need kLibpq{"libpq", internal::built_with_libpq, "make deps SERVICES=1, rebuild"};
inline constexpr Need kHiredis{"hiredis", internal::built_with_hiredis,
                               "make deps SERVICES=1, rebuild"};
inline constexpr Need kRabbitMq{"rabbitmq-c", internal::built_with_rabbitmq,
                                "make deps SERVICES=1, rebuild"};

// OpenCL's needs, with that of a device, are in support/opencl_device.h; MPI's, with that of ranks,
// in support/ranks.h.

// Features of the host, asked of the running system by doing what a variant would do. (io_uring's
// are in support/ring.h, since what to try depends on the variant.)
inline constexpr Need kDirectIo{
    "O_DIRECT", internal::has_direct_io,
    "choose a scratch folder on a file system with O_DIRECT (--scratch)"};
inline constexpr Need kTwoCores{"two cores", internal::has_two_cores, "a machine with two cores"};

}  // namespace headroom
