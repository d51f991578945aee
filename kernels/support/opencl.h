// OpenCL, as much as the kernels of group gpu need: one device, its memory, programs, launches.
// What is made is given back by itself; an error is one line with OpenCL's own name for it.
//
// The device, its context and two queues are made when they are first asked for, and last as long
// as the process. A program is built once per process, however many States ask for it. Drivers keep
// what they compile in a folder of this build (program_cache()); none of that is ever timed.
//
// A kernel that includes this has a line "// Links: opencl". Where OpenCL is missing, there is
// nothing in here but what opencl_device.h says.
#pragma once

#include "support/opencl_device.h"

#if HEADROOM_HAVE_OPENCL
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "core/buffer.h"

namespace headroom::opencl {

// "CL_OUT_OF_RESOURCES"; "error -9999" for one that OpenCL's headers don't name.
std::string error_name(cl_int error);

// Throws std::runtime_error "OpenCL: <doing>: <error's name>".
[[noreturn]] void fail(const std::string& doing, cl_int error);
inline void require(cl_int error, const char* doing) {
  if (error != CL_SUCCESS) fail(doing, error);
}

// The chosen device at work. Throws where there is none.
cl_context context();
cl_device_id device_id();
// Queues of their own order: commands of one queue run one after the other, those of two may
// overlap. Most need only the first.
cl_command_queue queue(std::size_t which = 0);
// Waits until all commands of a queue are done.
inline void finish(std::size_t which = 0) { require(clFinish(queue(which)), "clFinish"); }

// Of an object of OpenCL's: given back by Release.
template <class Handle, cl_int(CL_API_CALL* kRelease)(Handle)>
class Owned {
 public:
  Owned() = default;
  explicit Owned(Handle handle) : handle_(handle) {}
  Owned(Owned&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Owned& operator=(Owned other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Owned() {
    if (handle_ != nullptr) kRelease(handle_);
  }
  Handle get() const { return handle_; }

 private:
  Handle handle_ = nullptr;
};

// `size` elements of the device's memory; at least one, for OpenCL has no empty buffers.
template <class T>
class Array {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit Array(std::size_t size, cl_mem_flags flags = CL_MEM_READ_WRITE, T* host = nullptr)
      : size_(size) {
    cl_int error = CL_SUCCESS;
    memory_ =
        Memory(clCreateBuffer(context(), flags, (size == 0 ? 1 : size) * sizeof(T), host, &error));
    require(error, "clCreateBuffer");
  }
  std::size_t size() const { return size_; }
  cl_mem get() const { return memory_.get(); }

  // Copies from or to the host, of [first, first + items.size()); returns when that is done.
  void write(std::span<const T> items, std::size_t first = 0) const {
    write(items, first, CL_TRUE, 0);
  }
  void read(std::span<T> items, std::size_t first = 0) const { read(items, first, CL_TRUE, 0); }
  // The same, only put into a queue.
  void write(std::span<const T> items, std::size_t first, cl_bool wait, std::size_t which) const {
    if (items.empty()) return;
    require(clEnqueueWriteBuffer(queue(which), get(), wait, first * sizeof(T), items.size_bytes(),
                                 items.data(), 0, nullptr, nullptr),
            "clEnqueueWriteBuffer");
  }
  void read(std::span<T> items, std::size_t first, cl_bool wait, std::size_t which) const {
    if (items.empty()) return;
    require(clEnqueueReadBuffer(queue(which), get(), wait, first * sizeof(T), items.size_bytes(),
                                items.data(), 0, nullptr, nullptr),
            "clEnqueueReadBuffer");
  }
  // `value` everywhere.
  void fill(T value, std::size_t which = 0) const {
    if (size_ == 0) return;
    require(clEnqueueFillBuffer(queue(which), get(), &value, sizeof(T), 0, size_ * sizeof(T), 0,
                                nullptr, nullptr),
            "clEnqueueFillBuffer");
  }

 private:
  using Memory = Owned<cl_mem, clReleaseMemObject>;
  std::size_t size_;
  Memory memory_;
};

// An Array of n, filled from the host.
template <class T>
Array<T> copy_of(const Buffer<T>& items) {
  Array<T> made(items.size());
  made.write({items.data(), items.size()});
  return made;
}

// Host memory that the device's driver chose, so that it can be copied from and to without a copy
// in between (it is pinned: never moved or swapped). Mapped for as long as it lives.
template <class T>
class Pinned {
 public:
  explicit Pinned(std::size_t size) : array_(size, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR) {
    cl_int error = CL_SUCCESS;
    mapped_ = static_cast<T*>(
        clEnqueueMapBuffer(queue(), array_.get(), CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0,
                           (size == 0 ? 1 : size) * sizeof(T), 0, nullptr, nullptr, &error));
    require(error, "clEnqueueMapBuffer");
  }
  ~Pinned() {
    clEnqueueUnmapMemObject(queue(), array_.get(), mapped_, 0, nullptr, nullptr);
    clFinish(queue());
  }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  std::span<T> items() const { return {mapped_, array_.size()}; }

 private:
  Array<T> array_;
  T* mapped_ = nullptr;
};

// A mapping of an Array's elements into the host's address space, while it lives.
template <class T>
class Mapped {
 public:
  Mapped(const Array<T>& array, cl_map_flags flags) : array_(array) {
    cl_int error = CL_SUCCESS;
    at_ = static_cast<T*>(clEnqueueMapBuffer(queue(), array.get(), CL_TRUE, flags, 0,
                                             (array.size() == 0 ? 1 : array.size()) * sizeof(T), 0,
                                             nullptr, nullptr, &error));
    require(error, "clEnqueueMapBuffer");
  }
  ~Mapped() { clEnqueueUnmapMemObject(queue(), array_.get(), at_, 0, nullptr, nullptr); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  T* data() const { return at_; }

 private:
  const Array<T>& array_;
  T* at_ = nullptr;
};

// Local memory for a kernel's argument, in bytes.
struct Local {
  std::size_t bytes = 0;
};

struct Range {
  std::size_t x = 1, y = 1;
};

namespace internal {
// The program of this source and these options, built once per process. Throws std::runtime_error
// with the last lines of the build log.
cl_program program(const char* source, const std::string& options);
}  // namespace internal

// A function of a program.
class Kernel {
 public:
  Kernel(const char* source, const char* name, const std::string& options = "") : name_(name) {
    cl_int error = CL_SUCCESS;
    kernel_ = Handle(clCreateKernel(internal::program(source, options), name, &error));
    if (error != CL_SUCCESS) fail("clCreateKernel(" + name_ + ")", error);
  }
  // Puts a launch of `items` work-items, in groups of `group`, into a queue: `items` is rounded up
  // to whole groups, so a kernel has to compare its place with n. Nothing is launched for none.
  template <class... Arguments>
  void launch(std::size_t which, Range items, Range group, const Arguments&... arguments) const {
    if (items.x == 0 || items.y == 0) return;
    cl_uint index = 0;
    (set(index++, arguments), ...);
    const std::size_t global[] = {whole(items.x, group.x), whole(items.y, group.y)};
    const std::size_t local[] = {group.x, group.y};
    const cl_uint dimensions = items.y == 1 && group.y == 1 ? 1 : 2;
    const cl_int error = clEnqueueNDRangeKernel(queue(which), kernel_.get(), dimensions, nullptr,
                                                global, local, 0, nullptr, nullptr);
    if (error != CL_SUCCESS) fail("clEnqueueNDRangeKernel(" + name_ + ")", error);
  }
  // The same on the first queue, and waits until it is done.
  template <class... Arguments>
  void run(Range items, Range group, const Arguments&... arguments) const {
    launch(0, items, group, arguments...);
    finish();
  }

 private:
  using Handle = Owned<cl_kernel, clReleaseKernel>;
  static std::size_t whole(std::size_t items, std::size_t group) {
    return (items + group - 1) / group * group;
  }
  void set(cl_uint index, std::size_t bytes, const void* value) const {
    const cl_int error = clSetKernelArg(kernel_.get(), index, bytes, value);
    if (error != CL_SUCCESS)
      fail("clSetKernelArg(" + name_ + ", " + std::to_string(index) + ")", error);
  }
  template <class T>
  void set(cl_uint index, const Array<T>& array) const {
    const cl_mem memory = array.get();
    set(index, sizeof(cl_mem), &memory);
  }
  void set(cl_uint index, const Local& local) const { set(index, local.bytes, nullptr); }
  template <class T>
  requires std::is_arithmetic_v<T>
  void set(cl_uint index, T value) const { set(index, sizeof(T), &value); }

  std::string name_;
  Handle kernel_;
};

// What lies in the device's memory after a call and is only brought from there untimed. After that
// it is overwritten, so that a call that writes nothing is found out.
template <class T>
class Result {
 public:
  explicit Result(std::size_t size) : array_(size) { spoil(); }
  const Array<T>& array() const { return array_; }
  // To be called by each call that has written it.
  const Array<T>& fresh() {
    fresh_ = true;
    return array_;
  }
  // False where no call has written it since the last time.
  bool bring(Buffer<T>& out) const {
    if (!std::exchange(fresh_, false)) return false;
    array_.read({out.data(), out.size()});
    spoil();
    return true;
  }

 private:
  void spoil() const {
    T other;
    std::memset(&other, 0xa5, sizeof(T));
    array_.fill(other);
    finish();
  }
  Array<T> array_;
  mutable bool fresh_ = false;
};

}  // namespace headroom::opencl
#endif  // HEADROOM_HAVE_OPENCL
