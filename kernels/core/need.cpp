#include "core/need.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <iterator>

#include "core/cpu.h"
#include "core/scratch.h"

namespace headroom::internal {

bool has_direct_io() {
#ifdef O_DIRECT
  // Some file systems open a file with O_DIRECT and then refuse to read it.
  static const bool works = [] {
    constexpr std::size_t kBlock = 4096;
    try {
      const ScratchFile file(O_DIRECT);
      alignas(kBlock) unsigned char block[kBlock];
      std::memset(block, 0x5a, kBlock);
      if (pwrite(file.fd(), block, kBlock, 0) != static_cast<ssize_t>(kBlock)) return false;
      std::memset(block, 0, kBlock);
      return pread(file.fd(), block, kBlock, 0) == static_cast<ssize_t>(kBlock) &&
             std::all_of(std::begin(block), std::end(block), [](int b) { return b == 0x5a; });
    } catch (const std::exception&) {
      return false;
    }
  }();
  return works;
#else
  return false;
#endif
}

bool has_two_cores() { return core_count() >= 2; }

bool built_with_openmp() { return HEADROOM_HAVE_OPENMP != 0; }
bool built_with_sqlite() { return HEADROOM_HAVE_SQLITE != 0; }
bool built_with_openblas() { return HEADROOM_HAVE_OPENBLAS != 0; }
bool built_with_tbb() { return HEADROOM_HAVE_TBB != 0; }
bool built_with_fast_float() { return HEADROOM_HAVE_FAST_FLOAT != 0; }
bool built_with_vqsort() { return HEADROOM_HAVE_VQSORT != 0; }
bool built_with_zlib() { return HEADROOM_HAVE_ZLIB != 0; }
bool built_with_isal() { return HEADROOM_HAVE_ISAL != 0; }
bool built_with_simdjson() { return HEADROOM_HAVE_SIMDJSON != 0; }
bool built_with_re2() { return HEADROOM_HAVE_RE2 != 0; }
bool built_with_primesieve() { return HEADROOM_HAVE_PRIMESIEVE != 0; }
bool built_with_boost_flat_map() { return HEADROOM_HAVE_BOOST_FLAT_MAP != 0; }
bool built_with_roaring() { return HEADROOM_HAVE_ROARING != 0; }
bool built_with_atomic_queue() { return HEADROOM_HAVE_ATOMIC_QUEUE != 0; }
bool built_with_concurrentqueue() { return HEADROOM_HAVE_CONCURRENTQUEUE != 0; }
bool built_with_cuckoo() { return HEADROOM_HAVE_CUCKOO != 0; }
bool built_with_cds() { return HEADROOM_HAVE_CDS != 0; }
bool built_with_urcu() { return HEADROOM_HAVE_URCU != 0; }
bool built_with_http_parser() { return HEADROOM_HAVE_HTTP_PARSER != 0; }
bool built_with_llhttp() { return HEADROOM_HAVE_LLHTTP != 0; }
bool built_with_protobuf() { return HEADROOM_HAVE_PROTOBUF != 0; }
bool built_with_flatbuffers() { return HEADROOM_HAVE_FLATBUFFERS != 0; }
bool built_with_capnp() { return HEADROOM_HAVE_CAPNP != 0; }
bool built_with_libpq() { return HEADROOM_HAVE_LIBPQ != 0; }
bool built_with_hiredis() { return HEADROOM_HAVE_HIREDIS != 0; }
bool built_with_rabbitmq() { return HEADROOM_HAVE_RABBITMQ != 0; }
bool built_with_libuv() { return HEADROOM_HAVE_LIBUV != 0; }
bool built_with_asio() { return HEADROOM_HAVE_ASIO != 0; }
bool built_with_opencl() { return HEADROOM_HAVE_OPENCL != 0; }
bool built_with_mpi() { return HEADROOM_HAVE_MPI != 0; }

}  // namespace headroom::internal
