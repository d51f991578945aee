# How kernels get into the programs: one object library for each, so that each links only what it
# names. An object library, because from a static one the linker drops files that nothing refers to,
# and with them the kernels that register themselves.

# headroom_generate(TARGET SOURCE LIBRARY): the code that a library's program makes of the schema beside
# a kernel (dependencies.cmake), as <group>/<file> on TARGET's include path. Nothing where the library
# is missing, or has no such program, or the kernel no such file.
function(headroom_generate target source library)
  get_target_property(extension headroom_${library} HEADROOM_SCHEMA)
  if(NOT extension)
    return()
  endif()
  cmake_path(GET source STEM kernel)
  cmake_path(GET source PARENT_PATH folder)
  cmake_path(GET folder FILENAME group)
  cmake_path(GET folder PARENT_PATH root)
  set(schema "${folder}/${kernel}.${extension}")
  if(NOT EXISTS "${schema}")
    return()
  endif()
  # A folder for each kernel: another repository may have one of the same group and name.
  set(out "${CMAKE_BINARY_DIR}/generated/${target}")
  file(MAKE_DIRECTORY "${out}/${group}")
  get_target_property(endings headroom_${library} HEADROOM_MAKES)
  get_target_property(command headroom_${library} HEADROOM_GENERATE)
  list(TRANSFORM command REPLACE "@ROOT@" "${root}")
  list(TRANSFORM command REPLACE "@FILE@" "${schema}")
  list(TRANSFORM command REPLACE "@OUT@" "${out}")
  list(TRANSFORM command REPLACE "@GROUP_OUT@" "${out}/${group}")
  list(TRANSFORM endings PREPEND "${out}/${group}/${kernel}" OUTPUT_VARIABLE files)
  add_custom_command(OUTPUT ${files} COMMAND ${command} DEPENDS "${schema}" VERBATIM)
  target_sources(${target} PRIVATE ${files})
  # Its warnings are its makers' business.
  target_include_directories(${target} SYSTEM PUBLIC "${out}")
  set_source_files_properties(${files} PROPERTIES COMPILE_OPTIONS -w)
endfunction()

# headroom_kernel_objects(TARGET SOURCE FOLDER): a kernel's object library, compiled as all are, whoever
# calls.
function(headroom_kernel_objects target source folder)
  add_library(${target} OBJECT "${source}")
  set_target_properties(${target} PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON
                        CXX_EXTENSIONS OFF)
  target_link_libraries(${target} PUBLIC headroom_flags headroom_dependencies)
  if(TARGET headroom_contract)
    target_link_libraries(${target} PRIVATE headroom_precompiled)
    target_precompile_headers(${target} REUSE_FROM headroom_contract)
  endif()
  if(NOT "${folder}" STREQUAL "${headroom_SOURCE_DIR}/kernels")
    target_include_directories(${target} PRIVATE "${folder}")
  endif()
endfunction()

# headroom_add_ranks(TARGET SOURCE FOLDER): a kernel that calls MPI is compiled twice: without it for the
# usual programs, in which its variants are missing, and with it for those that mpirun starts.
function(headroom_add_ranks target source folder)
  target_compile_definitions(${target} PRIVATE HEADROOM_HAVE_MPI=0)
  if(TARGET headroom-bench-cluster)
    headroom_kernel_objects(${target}_ranks "${source}" "${folder}")
    target_link_libraries(${target}_ranks PUBLIC headroom_mpi)
    target_link_libraries(headroom-bench-cluster PRIVATE ${target}_ranks)
    target_link_libraries(headroom-tests-cluster PRIVATE ${target}_ranks)
  endif()
endfunction()

# headroom_add_kernels(FOLDER): every .cpp file in the folders of FOLDER, which are groups, and in
# FOLDER itself, is a kernel. Kernels that live in another repository come in by the same call. A file names the optional
# libraries that it uses in a line of its own:
#   // Links: openblas tbb
# Some generate code of a schema beside the kernel, kernels/network/encoding.proto: headroom_generate().
# HEADROOM_LINK_ORDER, any text, draws another order of the kernels, and so another place of each in
# the program: the same source built twice, to learn what that alone does.
# HEADROOM_KERNELS, a regular expression over <group>/<kernel>, takes only some of Headroom's own.
function(headroom_add_kernels folder)
  cmake_path(ABSOLUTE_PATH folder NORMALIZE)
  if(NOT IS_DIRECTORY "${folder}")
    message(FATAL_ERROR "headroom_add_kernels: ${folder} is no folder")
  endif()
  file(GLOB sources CONFIGURE_DEPENDS "${folder}/*.cpp" "${folder}/*/*.cpp")
  if(NOT "${HEADROOM_LINK_ORDER}" STREQUAL "")
    list(TRANSFORM sources REPLACE "^.*/([^/]+/[^/]+)$" "\\1" OUTPUT_VARIABLE names)
    set(drawn "")
    foreach(source name IN ZIP_LISTS sources names)
      string(MD5 place "${HEADROOM_LINK_ORDER} ${name}")
      list(APPEND drawn "${place} ${source}")
    endforeach()
    list(SORT drawn)
    list(TRANSFORM drawn REPLACE "^[0-9a-f]+ " "" OUTPUT_VARIABLE sources)
  endif()
  set(added 0)
  foreach(source IN LISTS sources)
    cmake_path(GET source STEM kernel)
    cmake_path(GET source PARENT_PATH group)
    cmake_path(GET group FILENAME group)
    if("${folder}" STREQUAL "${headroom_SOURCE_DIR}/kernels")
      if(group MATCHES "^(core|support)$" OR NOT "${group}/${kernel}" MATCHES "${HEADROOM_KERNELS}")
        continue()
      endif()
    endif()
    string(MAKE_C_IDENTIFIER "headroom_kernel_${group}_${kernel}" target)
    if(TARGET ${target})
      message(FATAL_ERROR "headroom_add_kernels: ${source}: there is a ${group}/${kernel} already")
    endif()
    # Configures anew when the line changes.
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
    headroom_kernel_objects(${target} "${source}" "${folder}")
    file(STRINGS "${source}" links REGEX "^// Links: ")
    string(REGEX REPLACE "^// Links: *" "" links "${links}")
    separate_arguments(links)
    foreach(library IN LISTS links)
      if(NOT TARGET headroom_${library})
        message(FATAL_ERROR "${source}: \"// Links: ${library}\": no such optional library")
      endif()
      if(library STREQUAL "mpi")
        headroom_add_ranks(${target} "${source}" "${folder}")
      else()
        target_link_libraries(${target} PUBLIC headroom_${library})
      endif()
      headroom_generate(${target} "${source}" ${library})
    endforeach()
    math(EXPR added "${added} + 1")
    target_link_libraries(headroom-bench PRIVATE ${target})
    target_link_libraries(headroom-tests PRIVATE ${target})
    file(STRINGS "${source}" takes_bytes LIMIT_COUNT 1 REGEX "from\\(std::span<const std::uint8_t>")
    if(TARGET headroom-fuzz AND takes_bytes)
      # A pointer that leaves its object is ASan's as soon as it is followed; UBSan's checks of it
      # being made take a third of the compile time, and `make test-asan-ubsan` has them.
      target_compile_options(${target} PRIVATE -fno-sanitize=object-size,pointer-overflow)
      target_link_libraries(headroom-fuzz PRIVATE ${target})
    endif()
  endforeach()
  if(added EQUAL 0)
    message(FATAL_ERROR "headroom_add_kernels: no kernel in ${folder}: <group>/<kernel>.cpp, or "
                        "<kernel>.cpp where the folder is the group (HEADROOM_KERNELS=${HEADROOM_KERNELS})")
  endif()
endfunction()
