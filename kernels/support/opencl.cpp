#include "support/opencl.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <map>
#include <sstream>
#include <stdexcept>
#include <utility>
#include <vector>

#include "support/on_core.h"

namespace headroom::opencl {

std::optional<std::size_t> chosen(const std::vector<Device>& devices, std::string_view wanted) {
  if (!wanted.empty()) {
    std::size_t index = 0;
    const char* const end = wanted.data() + wanted.size();
    if (const auto [at, error] = std::from_chars(wanted.data(), end, index);
        error == std::errc() && at == end)
      return index < devices.size() ? std::optional(index) : std::nullopt;
    const auto lower = [](std::string_view text) {
      std::string made(text);
      std::transform(made.begin(), made.end(), made.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      return made;
    };
    for (std::size_t i = 0; i < devices.size(); ++i)
      if (lower(devices[i].name).find(lower(wanted)) != std::string::npos) return i;
    return std::nullopt;
  }
  for (const std::string_view type : {"gpu", "accelerator", "cpu", "other"})
    for (std::size_t i = 0; i < devices.size(); ++i)
      if (devices[i].type == type) return i;
  return std::nullopt;
}

bool has_device() { return device() != nullptr; }

std::size_t group_of(std::size_t wanted) {
  const Device* const known = device();
  while (known != nullptr && wanted > known->most_items) wanted /= 2;
  return std::max<std::size_t>(1, wanted);
}

std::size_t filling(std::size_t group, std::size_t most) {
  // Thousands of work-items per compute unit hide a GPU's latencies; more is only overhead where
  // each has a loop anyway. A CPU's unit is a core, which works on one group after the other.
  const Device* const known = device();
  const std::size_t groups_per_unit = known == nullptr || known->type == "cpu" ? 2 : 16;
  const std::size_t groups = groups_per_unit * (known == nullptr ? 1 : known->compute_units);
  return group * std::clamp<std::size_t>((most + group - 1) / group, 1, groups);
}

#if HEADROOM_HAVE_OPENCL

std::string error_name(cl_int error) {
  static const std::map<cl_int, const char*> names = {
      {0, "CL_SUCCESS"},
      {-1, "CL_DEVICE_NOT_FOUND"},
      {-2, "CL_DEVICE_NOT_AVAILABLE"},
      {-3, "CL_COMPILER_NOT_AVAILABLE"},
      {-4, "CL_MEM_OBJECT_ALLOCATION_FAILURE"},
      {-5, "CL_OUT_OF_RESOURCES"},
      {-6, "CL_OUT_OF_HOST_MEMORY"},
      {-7, "CL_PROFILING_INFO_NOT_AVAILABLE"},
      {-8, "CL_MEM_COPY_OVERLAP"},
      {-11, "CL_BUILD_PROGRAM_FAILURE"},
      {-12, "CL_MAP_FAILURE"},
      {-13, "CL_MISALIGNED_SUB_BUFFER_OFFSET"},
      {-14, "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST"},
      {-15, "CL_COMPILE_PROGRAM_FAILURE"},
      {-16, "CL_LINKER_NOT_AVAILABLE"},
      {-17, "CL_LINK_PROGRAM_FAILURE"},
      {-30, "CL_INVALID_VALUE"},
      {-31, "CL_INVALID_DEVICE_TYPE"},
      {-32, "CL_INVALID_PLATFORM"},
      {-33, "CL_INVALID_DEVICE"},
      {-34, "CL_INVALID_CONTEXT"},
      {-35, "CL_INVALID_QUEUE_PROPERTIES"},
      {-36, "CL_INVALID_COMMAND_QUEUE"},
      {-37, "CL_INVALID_HOST_PTR"},
      {-38, "CL_INVALID_MEM_OBJECT"},
      {-42, "CL_INVALID_BINARY"},
      {-43, "CL_INVALID_BUILD_OPTIONS"},
      {-44, "CL_INVALID_PROGRAM"},
      {-45, "CL_INVALID_PROGRAM_EXECUTABLE"},
      {-46, "CL_INVALID_KERNEL_NAME"},
      {-47, "CL_INVALID_KERNEL_DEFINITION"},
      {-48, "CL_INVALID_KERNEL"},
      {-49, "CL_INVALID_ARG_INDEX"},
      {-50, "CL_INVALID_ARG_VALUE"},
      {-51, "CL_INVALID_ARG_SIZE"},
      {-52, "CL_INVALID_KERNEL_ARGS"},
      {-53, "CL_INVALID_WORK_DIMENSION"},
      {-54, "CL_INVALID_WORK_GROUP_SIZE"},
      {-55, "CL_INVALID_WORK_ITEM_SIZE"},
      {-56, "CL_INVALID_GLOBAL_OFFSET"},
      {-57, "CL_INVALID_EVENT_WAIT_LIST"},
      {-58, "CL_INVALID_EVENT"},
      {-59, "CL_INVALID_OPERATION"},
      {-61, "CL_INVALID_BUFFER_SIZE"},
      {-63, "CL_INVALID_GLOBAL_WORK_SIZE"},
      {-1001, "CL_PLATFORM_NOT_FOUND_KHR"},
  };
  const auto known = names.find(error);
  return known != names.end() ? known->second : "error " + std::to_string(error);
}

void fail(const std::string& doing, cl_int error) {
  throw std::runtime_error("OpenCL: " + doing + ": " + error_name(error));
}

namespace {

// Blanks at the ends are no part of a name, and some drivers have them.
std::string trimmed(std::string text) {
  const char* const blanks = " \t\r\n";
  text.erase(text.find_last_not_of(blanks) + 1);
  text.erase(0, text.find_first_not_of(blanks));
  return text;
}

template <class Ask, class Of>
std::string text_of(Ask ask, Of of, cl_uint what) {
  std::size_t bytes = 0;
  if (ask(of, what, 0, nullptr, &bytes) != CL_SUCCESS || bytes == 0) return "";
  std::string text(bytes, '\0');
  if (ask(of, what, bytes, text.data(), nullptr) != CL_SUCCESS) return "";
  return trimmed(text.substr(0, text.find('\0')));
}

template <class T>
T number_of(cl_device_id id, cl_device_info what) {
  T value{};
  clGetDeviceInfo(id, what, sizeof(T), &value, nullptr);
  return value;
}

std::string type_of(cl_device_type type) {
  return (type & CL_DEVICE_TYPE_GPU) != 0           ? "gpu"
         : (type & CL_DEVICE_TYPE_ACCELERATOR) != 0 ? "accelerator"
         : (type & CL_DEVICE_TYPE_CPU) != 0         ? "cpu"
                                                    : "other";
}

Device facts_of(cl_platform_id platform, cl_device_id id) {
  return {.name = text_of(clGetDeviceInfo, id, CL_DEVICE_NAME),
          .vendor = text_of(clGetDeviceInfo, id, CL_DEVICE_VENDOR),
          .type = type_of(number_of<cl_device_type>(id, CL_DEVICE_TYPE)),
          .platform = text_of(clGetPlatformInfo, platform, CL_PLATFORM_NAME),
          .driver = text_of(clGetDeviceInfo, id, CL_DRIVER_VERSION),
          .version = text_of(clGetDeviceInfo, id, CL_DEVICE_VERSION),
          .compute_units = std::max(1u, number_of<cl_uint>(id, CL_DEVICE_MAX_COMPUTE_UNITS)),
          .memory_bytes = number_of<cl_ulong>(id, CL_DEVICE_GLOBAL_MEM_SIZE),
          .local_bytes = number_of<cl_ulong>(id, CL_DEVICE_LOCAL_MEM_SIZE),
          .most_items =
              std::max<std::size_t>(1, number_of<std::size_t>(id, CL_DEVICE_MAX_WORK_GROUP_SIZE)),
          .shares_memory = number_of<cl_bool>(id, CL_DEVICE_HOST_UNIFIED_MEMORY) != CL_FALSE};
}

struct Found {
  std::optional<Device> device;
  cl_device_id id = nullptr;
};

// All devices of all platforms, in their order. A platform that fails has none.
Found look() {
  // Drivers keep compiled programs below the user's home, if they aren't told another place.
  // NOLINTBEGIN(concurrency-mt-unsafe): before any kernel of OpenCL's runs, by the main thread
  setenv("POCL_CACHE_DIR", HEADROOM_PROGRAM_CACHE "/pocl", 0);
  setenv("CUDA_CACHE_PATH", HEADROOM_PROGRAM_CACHE "/nvidia", 0);
  // NOLINTEND(concurrency-mt-unsafe)
  // A driver that computes on the CPU starts its threads now, and they stay where this thread may
  // run: on all cores.
  const OnAnyCore anywhere;
  cl_uint count = 0;
  if (clGetPlatformIDs(0, nullptr, &count) != CL_SUCCESS || count == 0) return {};
  std::vector<cl_platform_id> platforms(count);
  if (clGetPlatformIDs(count, platforms.data(), nullptr) != CL_SUCCESS) return {};
  std::vector<Device> devices;
  std::vector<cl_device_id> ids;
  for (cl_platform_id platform : platforms) {
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count) != CL_SUCCESS) continue;
    std::vector<cl_device_id> own(count);
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, own.data(), nullptr) != CL_SUCCESS)
      continue;
    for (cl_device_id id : own) {
      devices.push_back(facts_of(platform, id));
      ids.push_back(id);
    }
  }
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it any more
  const char* const wanted = std::getenv("HEADROOM_OPENCL_DEVICE");
  const std::optional<std::size_t> at = chosen(devices, wanted != nullptr ? wanted : "");
  if (!at) return {};
  return {devices[*at], ids[*at]};
}

const Found& found() {
  static const Found only = look();
  return only;
}

// Lives until the process ends: a driver's own threads and libraries may be gone before statics
// are.
struct Session {
  cl_context context = nullptr;
  cl_command_queue queues[2] = {};

  Session() {
    const cl_device_id id = device_id();
    const OnAnyCore anywhere;
    cl_int error = CL_SUCCESS;
    context = clCreateContext(nullptr, 1, &id, nullptr, nullptr, &error);
    require(error, "clCreateContext");
    for (cl_command_queue& queue : queues) {
      queue = clCreateCommandQueue(context, id, 0, &error);
      require(error, "clCreateCommandQueue");
    }
  }
  static const Session& only() {
    static const Session* const session = new Session;
    return *session;
  }
};

// The last lines of a build log, as one.
std::string last_lines(const std::string& log) {
  constexpr std::size_t kLines = 4;
  std::vector<std::string> lines;
  std::istringstream in(log);
  for (std::string line; std::getline(in, line);)
    if (line = trimmed(line); !line.empty()) lines.push_back(line);
  std::string told;
  for (std::size_t i = lines.size() - std::min(kLines, lines.size()); i < lines.size(); ++i)
    told += (told.empty() ? "" : " | ") + lines[i];
  return told;
}

}  // namespace

const Device* device() { return found().device ? &*found().device : nullptr; }

cl_device_id device_id() {
  if (found().id == nullptr) throw std::runtime_error("OpenCL: no device");
  return found().id;
}

cl_context context() { return Session::only().context; }
cl_command_queue queue(std::size_t which) { return Session::only().queues[which]; }

namespace internal {

cl_program program(const char* source, const std::string& options) {
  static auto* const built = new std::map<std::pair<std::string, std::string>, cl_program>;
  const auto key = std::pair(std::string(source), options);
  if (const auto known = built->find(key); known != built->end()) return known->second;
  cl_int error = CL_SUCCESS;
  const cl_program made = clCreateProgramWithSource(context(), 1, &source, nullptr, &error);
  require(error, "clCreateProgramWithSource");
  const cl_device_id id = device_id();
  error = clBuildProgram(made, 1, &id, ("-cl-std=CL1.2 " + options).c_str(), nullptr, nullptr);
  if (error != CL_SUCCESS) {
    std::size_t bytes = 0;
    clGetProgramBuildInfo(made, id, CL_PROGRAM_BUILD_LOG, 0, nullptr, &bytes);
    std::string log(bytes, '\0');
    clGetProgramBuildInfo(made, id, CL_PROGRAM_BUILD_LOG, bytes, log.data(), nullptr);
    clReleaseProgram(made);
    log = last_lines(log.substr(0, log.find('\0')));
    fail("clBuildProgram" + (log.empty() ? "" : " (" + log + ")"), error);
  }
  return built->emplace(key, made).first->second;
}

}  // namespace internal

#else

const Device* device() { return nullptr; }

#endif

}  // namespace headroom::opencl
