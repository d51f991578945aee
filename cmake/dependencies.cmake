# Libraries: the system's where there are any, else a pinned download.
#
# Each optional one is a target headroom_<name>, which links it where it is there and defines
# HEADROOM_HAVE_<NAME> as 0 or 1. A kernel names those that it uses in a line "// Links: <name>" and
# gets no others (kernels.cmake); a variant that needs a missing one is built as "missing" and says
# what to install (kernels/core/need.h).
include(FetchContent)
find_package(Threads REQUIRED)

# What a download must not build. The policies let plain variables speak for its options.
set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)
set(CMAKE_POLICY_DEFAULT_CMP0126 NEW)
set(BENCHMARK_ENABLE_TESTING OFF)
set(BENCHMARK_ENABLE_GTEST_TESTS OFF)
set(BENCHMARK_ENABLE_INSTALL OFF)
set(ABSL_PROPAGATE_CXX_STD ON)
set(ABSL_ENABLE_INSTALL OFF)
set(HWY_ENABLE_TESTS OFF)
set(HWY_ENABLE_EXAMPLES OFF)
set(HWY_ENABLE_INSTALL OFF)
set(JSON_BuildTests OFF)

FetchContent_Declare(benchmark
  URL https://github.com/google/benchmark/archive/refs/tags/v1.8.3.tar.gz
  URL_HASH SHA256=6bc180a57d23d4d9515519f92b0c83d61b05b5bab188961f36ac7b06b0d9e9ce
  FIND_PACKAGE_ARGS)
FetchContent_Declare(absl
  URL https://github.com/abseil/abseil-cpp/archive/refs/tags/20240116.2.tar.gz
  URL_HASH SHA256=733726b8c3a6d39a4120d7e45ea8b41a434cdacde401cba500f14236c49b39dc
  FIND_PACKAGE_ARGS)
FetchContent_Declare(Catch2
  URL https://github.com/catchorg/Catch2/archive/refs/tags/v3.4.0.tar.gz
  URL_HASH SHA256=122928b814b75717316c71af69bd2b43387643ba076a6ec16e7882bfb2dfacbb
  FIND_PACKAGE_ARGS)
FetchContent_Declare(nlohmann_json
  URL https://github.com/nlohmann/json/releases/download/v3.11.3/json.tar.xz
  URL_HASH SHA256=d6c65aca6b1ed68e7a182f4757257b107ae403032760ed6ef121c9d55e81757d
  FIND_PACKAGE_ARGS)
FetchContent_Declare(hwy
  URL https://github.com/google/highway/archive/refs/tags/1.2.0.tar.gz
  URL_HASH SHA256=7e0be78b8318e8bdbf6fa545d2ecb4c90f947df03f7aadc42c1967f019e63343
  FIND_PACKAGE_ARGS)
FetchContent_Declare(robin_map
  URL https://github.com/Tessil/robin-map/archive/refs/tags/v1.3.0.tar.gz
  URL_HASH SHA256=a8424ad3b0affd4c57ed26f0f3d8a29604f0e1f2ef2089f497f614b1c94c7236
  FIND_PACKAGE_ARGS NAMES tsl-robin-map)
FetchContent_MakeAvailable(benchmark absl Catch2 nlohmann_json hwy robin_map)
# What the record says of a download: a package tells its own version.
foreach(pinned benchmark=1.8.3 absl=20240116.2 hwy=1.2.0 tsl-robin-map=1.3.0)
  string(REGEX MATCH "(.*)=(.*)" matched ${pinned})
  if(NOT ${CMAKE_MATCH_1}_VERSION)
    set(${CMAKE_MATCH_1}_VERSION ${CMAKE_MATCH_2})
  endif()
endforeach()

add_library(headroom_dependencies INTERFACE)
target_link_libraries(headroom_dependencies INTERFACE
  absl::status absl::statusor absl::strings absl::flat_hash_map absl::btree absl::hash
  absl::function_ref tsl::robin_map nlohmann_json::nlohmann_json Threads::Threads ${CMAKE_DL_LIBS})
# A download defines plain target names, an installed package hwy:: ones.
foreach(library hwy hwy_contrib)
  if(TARGET hwy::${library})
    target_link_libraries(headroom_dependencies INTERFACE hwy::${library})
  else()
    target_link_libraries(headroom_dependencies INTERFACE ${library})
  endif()
endforeach()

# What kernels/core/need.cpp is compiled with: which of all optional libraries are there.
add_library(headroom_have INTERFACE)

# headroom_optional(name group [TARGET target | LIBRARY names] [HEADER header [FOLDER folder]]
#                   [PROGRAM program [SCHEMA extension MAKES endings ARGUMENTS arguments]])
# Makes headroom_<name>. `group` is what HEADROOM_WITHOUT names; `folder` one below the usual ones where
# the header may be. A library whose code is generated is there only with its PROGRAM: where a kernel
# that links it has a file <kernel>.<extension> beside it, the program is run with these arguments, in
# which @ROOT@ is the folder of groups, @FILE@ the schema, @OUT@ where output goes and @GROUP_OUT@ the
# group's folder in it, and makes files <kernel><ending>.
function(headroom_optional name group)
  cmake_parse_arguments(ARG "" "TARGET;HEADER;FOLDER;PROGRAM;SCHEMA" "LIBRARY;MAKES;ARGUMENTS" ${ARGN})
  set(found 1)
  if("${group}" IN_LIST HEADROOM_WITHOUT)
    set(found 0)
  endif()
  if(ARG_TARGET AND NOT TARGET ${ARG_TARGET})
    set(found 0)
  endif()
  set(libraries "")
  foreach(library IN LISTS ARG_LIBRARY)
    find_library(HEADROOM_${name}_${library}_LIBRARY NAMES ${library})
    mark_as_advanced(HEADROOM_${name}_${library}_LIBRARY)
    list(APPEND libraries ${HEADROOM_${name}_${library}_LIBRARY})
    if(NOT HEADROOM_${name}_${library}_LIBRARY)
      set(found 0)
    endif()
  endforeach()
  if(ARG_HEADER)
    find_path(HEADROOM_${name}_INCLUDE NAMES ${ARG_HEADER}
              PATH_SUFFIXES ${CMAKE_LIBRARY_ARCHITECTURE} ${ARG_FOLDER})
    mark_as_advanced(HEADROOM_${name}_INCLUDE)
    if(NOT HEADROOM_${name}_INCLUDE)
      set(found 0)
    endif()
  endif()
  if(ARG_PROGRAM)
    find_program(HEADROOM_${name}_PROGRAM NAMES ${ARG_PROGRAM})
    mark_as_advanced(HEADROOM_${name}_PROGRAM)
    if(NOT HEADROOM_${name}_PROGRAM)
      set(found 0)
    endif()
  endif()
  add_library(headroom_${name} INTERFACE)
  if(found AND ARG_SCHEMA)
    set_target_properties(headroom_${name} PROPERTIES
      HEADROOM_SCHEMA "${ARG_SCHEMA}" HEADROOM_MAKES "${ARG_MAKES}"
      HEADROOM_GENERATE "${HEADROOM_${name}_PROGRAM};${ARG_ARGUMENTS}")
  endif()
  if(found AND ARG_TARGET)
    target_link_libraries(headroom_${name} INTERFACE ${ARG_TARGET})
  endif()
  if(found AND ARG_LIBRARY)
    target_link_libraries(headroom_${name} INTERFACE ${libraries})
  endif()
  if(found AND ARG_HEADER)
    target_include_directories(headroom_${name} SYSTEM INTERFACE ${HEADROOM_${name}_INCLUDE})
  endif()
  string(TOUPPER ${name} upper)
  target_compile_definitions(headroom_${name} INTERFACE HEADROOM_HAVE_${upper}=${found})
  target_compile_definitions(headroom_have INTERFACE HEADROOM_HAVE_${upper}=${found})
  message(STATUS "optional ${name}: ${found}")
endfunction()

find_package(OpenMP QUIET COMPONENTS CXX)
find_package(SQLite3 QUIET)
find_package(TBB QUIET)
find_package(FastFloat QUIET)
find_package(ZLIB QUIET)
find_package(simdjson QUIET)
find_package(primesieve QUIET)
find_package(roaring QUIET)
# Its own configuration knows what newer versions link; older ones have none.
find_package(protobuf QUIET CONFIG)
if(NOT protobuf_FOUND)
  find_package(Protobuf QUIET MODULE)
endif()
headroom_optional(openmp openmp TARGET OpenMP::OpenMP_CXX)
headroom_optional(sqlite sqlite TARGET SQLite::SQLite3)
headroom_optional(uring liburing LIBRARY uring HEADER liburing.h)
headroom_optional(openblas peers LIBRARY openblas HEADER openblas_config.h)
# Loaded at run time (kernels/support/openblas_threads.h): here only whether it may be.
headroom_optional(openblas_threads peers)
headroom_optional(tbb peers TARGET TBB::tbb)
headroom_optional(fast_float peers TARGET FastFloat::fast_float)
headroom_optional(zlib peers TARGET ZLIB::ZLIB)
headroom_optional(isal peers LIBRARY isal HEADER isa-l.h)
headroom_optional(simdjson peers TARGET simdjson::simdjson)
headroom_optional(re2 peers LIBRARY re2 HEADER re2/re2.h)
headroom_optional(primesieve peers TARGET primesieve::primesieve)
headroom_optional(roaring peers TARGET roaring::roaring)
headroom_optional(boost_flat_map peers HEADER boost/unordered/unordered_flat_map.hpp)
headroom_optional(atomic_queue peers HEADER atomic_queue/atomic_queue.h)
headroom_optional(concurrentqueue peers HEADER concurrentqueue/concurrentqueue.h)
headroom_optional(cuckoo peers HEADER libcuckoo/cuckoohash_map.hh)
headroom_optional(cds peers LIBRARY cds HEADER cds/init.h)
headroom_optional(urcu peers LIBRARY urcu-qsbr HEADER urcu-qsbr.h)
headroom_optional(libuv peers LIBRARY uv HEADER uv.h)
headroom_optional(asio peers HEADER asio.hpp)
headroom_optional(protobuf peers TARGET protobuf::libprotobuf PROGRAM protoc
  SCHEMA proto MAKES .pb.h .pb.cc ARGUMENTS -I @ROOT@ --cpp_out=@OUT@ @FILE@)
headroom_optional(flatbuffers peers HEADER flatbuffers/flatbuffers.h PROGRAM flatc
  SCHEMA fbs MAKES _generated.h ARGUMENTS --cpp -o @GROUP_OUT@ @FILE@)
# Not by its own configuration, which ends the build where the compiler has no libatomic.
headroom_optional(capnp peers LIBRARY capnp kj HEADER capnp/message.h PROGRAM capnp
  SCHEMA capnp MAKES .capnp.h .capnp.c++
  ARGUMENTS compile -oc++:@OUT@ --src-prefix=@ROOT@ @FILE@)
headroom_optional(vqsort peers HEADER hwy/contrib/sort/vqsort.h)
# Debian has llhttp as source only, in the package of Node.js's module.
find_package(llhttp QUIET)
set(llhttp_source /usr/share/llhttp)
if(NOT "peers" IN_LIST HEADROOM_WITHOUT AND NOT CMAKE_CROSSCOMPILING AND NOT TARGET llhttp::llhttp
   AND EXISTS ${llhttp_source}/llhttp.c AND EXISTS /usr/share/include/llhttp/llhttp.h)
  enable_language(C)
  add_library(headroom_llhttp_source STATIC EXCLUDE_FROM_ALL
    ${llhttp_source}/llhttp.c ${llhttp_source}/api.c ${llhttp_source}/http.c)
  target_include_directories(headroom_llhttp_source SYSTEM PUBLIC /usr/share/include/llhttp)
  add_library(llhttp::llhttp ALIAS headroom_llhttp_source)
endif()
headroom_optional(http_parser peers LIBRARY http_parser HEADER http_parser.h)
headroom_optional(llhttp peers TARGET llhttp::llhttp)
# Loaded at run time (kernels/network/http_peers.h): here only whether it may be.
headroom_optional(picohttpparser peers)
headroom_optional(libpq services LIBRARY pq HEADER libpq-fe.h FOLDER postgresql)
headroom_optional(hiredis services LIBRARY hiredis HEADER hiredis/hiredis.h)
headroom_optional(rabbitmq services LIBRARY rabbitmq HEADER amqp_tcp_socket.h FOLDER rabbitmq-c)
headroom_optional(opencl gpu LIBRARY OpenCL HEADER CL/cl.h)
# Loaded at run time (kernels/gpu/clblast.h): here only whether it may be.
headroom_optional(clblast gpu)
# Only its C functions: the C++ ones are gone from the standard since 2012. Linked into the programs that
# mpirun starts, and no others (kernels.cmake).
if(NOT "cluster" IN_LIST HEADROOM_WITHOUT AND NOT CMAKE_CROSSCOMPILING)
  set(MPI_CXX_SKIP_MPICXX ON)
  find_package(MPI QUIET COMPONENTS CXX)
endif()
headroom_optional(mpi cluster TARGET MPI::MPI_CXX)
get_target_property(HEADROOM_MPI_FOUND headroom_mpi INTERFACE_LINK_LIBRARIES)
