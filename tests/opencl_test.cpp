// OpenCL's device, its memory and its programs (support/opencl.h). What needs a device passes
// untried where there is none.
#include "support/opencl.h"

#include <algorithm>
#include <string>
#include <vector>

#include "catch.h"
#include "core/same.h"

namespace headroom::opencl {
namespace {

Device made_up(const char* name, const char* type) {
  Device device;
  device.name = name;
  device.type = type;
  return device;
}

TEST_CASE("a GPU is chosen before an accelerator, and that before a CPU") {
  const std::vector<Device> all = {made_up("Some CPU", "cpu"), made_up("Custom", "other"),
                                   made_up("FPGA", "accelerator"), made_up("Radeon", "gpu"),
                                   made_up("GeForce RTX", "gpu")};
  CHECK(chosen(all, "") == 3);
  CHECK(chosen({all[0], all[1], all[2]}, "") == 2);
  CHECK(chosen({all[1], all[0]}, "") == 1);
  CHECK(chosen({all[1]}, "") == 0);
  CHECK_FALSE(chosen({}, "").has_value());
  // By number or by a part of the name; what names none is none, never another.
  CHECK(chosen(all, "0") == 0);
  CHECK(chosen(all, "4") == 4);
  CHECK_FALSE(chosen(all, "5").has_value());
  CHECK(chosen(all, "geforce") == 4);
  CHECK(chosen(all, "SOME") == 0);
  CHECK_FALSE(chosen(all, "Arc").has_value());
  CHECK_FALSE(chosen({}, "0").has_value());
}

TEST_CASE("work-groups are no larger than the device has them, and fill whole ones") {
  const std::size_t group = group_of(256);
  CHECK(group >= 1);
  CHECK((group & (group - 1)) == 0);
  CHECK(group <= 256);
  if (device() != nullptr) CHECK(group <= device()->most_items);
  CHECK(filling(group) % group == 0);
  CHECK(filling(group) >= group);
  CHECK(filling(group, 0) == group);
  CHECK(filling(group, group) == group);
  CHECK(filling(group, group + 1) == std::min(filling(group), 2 * group));
}

#if HEADROOM_HAVE_OPENCL
TEST_CASE("OpenCL's errors have its own names") {
  CHECK(error_name(CL_OUT_OF_RESOURCES) == "CL_OUT_OF_RESOURCES");
  CHECK(error_name(CL_INVALID_WORK_GROUP_SIZE) == "CL_INVALID_WORK_GROUP_SIZE");
  CHECK(error_name(-9999) == "error -9999");
}

// What `body` throws.
template <class Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing";
}

TEST_CASE("what a device refuses is an error of one line") {
  if (device() == nullptr) return;
  const std::string unbuilt =
      error_of([] { const Kernel kernel("__kernel void f() { nonsense; }", "f"); });
  INFO(unbuilt);
  CHECK(unbuilt.rfind("OpenCL: clBuildProgram (", 0) == 0);
  CHECK(unbuilt.find('\n') == std::string::npos);
  CHECK(unbuilt.find("CL_BUILD_PROGRAM_FAILURE") != std::string::npos);
  const std::string nameless = error_of([] { const Kernel kernel("__kernel void f() {}", "g"); });
  CHECK(nameless == "OpenCL: clCreateKernel(g): CL_INVALID_KERNEL_NAME");
  const Kernel kernel("__kernel void f(uint a) {}", "f");
  const std::string argument = error_of([&] { kernel.run({1}, {1}, 1.0); });
  CHECK(argument == "OpenCL: clSetKernelArg(f, 0): CL_INVALID_ARG_SIZE");
}

TEST_CASE("a launch covers whole groups, in one dimension and in two") {
  if (device() == nullptr) return;
  const Kernel kernel(
      "__kernel void places(__global uint* at, uint n) {"
      "  const uint i = get_global_id(1) * get_global_size(0) + get_global_id(0);"
      "  if (i < n) at[i] = i + 1; }",
      "places");
  Array<cl_uint> at(100);
  Buffer<cl_uint> got(100);
  for (const auto& [items, group] : {std::pair<Range, Range>{{97}, {4}}, {{9, 10}, {2, 2}}}) {
    at.fill(0);
    kernel.run(items, group, at, cl_uint{100});
    at.read({got.data(), got.size()});
    for (cl_uint i = 0; i < 100; ++i) CHECK(got[i] == i + 1);
  }
  at.fill(7);
  kernel.run({0}, {4}, at, cl_uint{100});  // nothing to do
  at.read({got.data(), got.size()});
  for (cl_uint value : got) CHECK(value == 7);
}

TEST_CASE("a result of the device is brought once a call, and is no one's after that") {
  if (device() == nullptr) return;
  const Buffer<cl_uint> right = {1, 2, 3};
  Buffer<cl_uint> out(3);
  Result<cl_uint> result(3);
  result.bring(out);  // of no call
  CHECK(exact(Buffer<cl_uint>(3), out).ok());
  result.fresh().write({right.data(), 3});
  result.bring(out);
  CHECK(exact(right, out).ok());
  result.bring(out);  // still that call's
  CHECK(exact(right, out).ok());
  result.fresh();  // a call that writes nothing
  result.bring(out);
  CHECK_FALSE(exact(right, out).ok());
}

TEST_CASE("pinned and mapped memory is the device's own") {
  if (device() == nullptr) return;
  const Pinned<cl_uint> pinned(4);
  for (cl_uint i = 0; i < 4; ++i) pinned.items()[i] = i;
  Array<cl_uint> array(4);
  array.write(pinned.items());
  {
    const Mapped<cl_uint> mapped(array, CL_MAP_READ | CL_MAP_WRITE);
    CHECK(mapped.data()[3] == 3);
    mapped.data()[0] = 40;
  }
  Buffer<cl_uint> got(4);
  array.read({got.data(), 4});
  CHECK(exact(Buffer<cl_uint>{40, 1, 2, 3}, got).ok());
}
#endif

}  // namespace
}  // namespace headroom::opencl
