# find_package(Headroom) of a checkout: -DHeadroom_DIR=<headroom>/cmake, or the checkout on
# CMAKE_PREFIX_PATH. Headroom is built from source within the project that asks for it, so that its
# kernels and yours are compiled alike; then headroom_add_kernels(FOLDER) adds yours.
if(NOT TARGET headroom-bench)
  add_subdirectory("${CMAKE_CURRENT_LIST_DIR}/.." "${CMAKE_BINARY_DIR}/headroom")
endif()
