// The OpenCL device that this process uses: what it is. Without OpenCL's own headers, for whoever
// only has to name it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/need.h"

namespace headroom::opencl {

struct Device {
  std::string name;
  std::string vendor;
  std::string type;      // "gpu", "accelerator", "cpu" or "other"
  std::string platform;  // with its version: "OpenCL 3.0 PoCL 3.1"
  std::string driver;    // its version
  std::string version;   // of OpenCL, as the device has it: "OpenCL 3.0 CUDA"
  unsigned compute_units = 1;
  std::size_t memory_bytes = 0;
  std::size_t local_bytes = 0;  // of a work-group
  std::size_t most_items = 1;   // of a work-group
  bool shares_memory = false;   // with the host
};

// The first GPU, else the first accelerator, else the first CPU; or the one that the environment's
// HEADROOM_OPENCL_DEVICE names, by its number in the order of `clinfo -l`, from 0, or by a part of
// its name. nullptr where there is none, or OpenCL is not built in. Asked once per process.
const Device* device();

// Which of `devices` that is, by their type and name; none where `wanted` names none of them.
std::optional<std::size_t> chosen(const std::vector<Device>& devices, std::string_view wanted);

bool has_device();

// Work-items of a group: `wanted` (a power of two), or as many as the device has.
std::size_t group_of(std::size_t wanted);

// Work-items that fill the device and leave its schedulers a choice, in groups of `group`: for
// kernels in which each work-item goes over many places. Whole groups, and no more of them than
// `most` work-items need.
std::size_t filling(std::size_t group, std::size_t most = std::size_t{1} << 40);

// What a variant that runs on a device needs. A record tells by the first that it does.
inline constexpr Need kOpenCl{"opencl", internal::built_with_opencl, "make deps GPU=1, rebuild"};
inline constexpr Need kDevice{
    "an OpenCL device", has_device,
    "install the GPU's driver with its OpenCL (clinfo -l lists what is there), or pocl-opencl-icd, "
    "which runs OpenCL on the CPU (make deps GPU=1); HEADROOM_OPENCL_DEVICE chooses one"};
inline constexpr Need kNeedsDevice[] = {kOpenCl, kDevice};

}  // namespace headroom::opencl
