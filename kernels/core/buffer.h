// Memory for inputs, outputs and states, placed the same way every time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <type_traits>
#include <utility>

namespace headroom {

// Bytes now held by all Buffers, for "memory held per item".
std::size_t buffer_bytes_held();

// While one lives, Buffers made on this thread start `elements` past their alignment. For tests: a
// variant that assumes more alignment than its element type has is found out.
class ScopedMisalignment {
 public:
  explicit ScopedMisalignment(std::size_t elements);
  ~ScopedMisalignment();
  ScopedMisalignment(const ScopedMisalignment&) = delete;
  ScopedMisalignment& operator=(const ScopedMisalignment&) = delete;
};

namespace internal {
std::size_t misaligned_elements();
// Zeroed (so touched) memory: 64-byte aligned, from 512 bytes on at the start of a page, and from
// 64 KiB on 2 MiB-aligned with huge pages advised. Throws std::bad_alloc. Under AddressSanitizer it
// is exactly `bytes` long, so that a read past the end is caught.
void* allocate(std::size_t bytes);
void release(void* memory, std::size_t bytes);

// While one lives, it knows which Buffers made on this thread exist. One at a time.
class BufferWatch {
 public:
  BufferWatch();
  ~BufferWatch();
  BufferWatch(const BufferWatch&) = delete;
  BufferWatch& operator=(const BufferWatch&) = delete;
  // Of what they hold now, in the order in which they were made.
  std::uint64_t hash() const;
};
}  // namespace internal

// A fixed-size array of T, zeroed, aligned as `internal::allocate` says. Copyable.
template <class T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  using value_type = T;
  Buffer() = default;
  explicit Buffer(std::size_t size)
      : size_(size), offset_(size == 0 ? 0 : internal::misaligned_elements()) {
    if (size_ != 0) base_ = static_cast<T*>(internal::allocate(bytes()));
  }
  Buffer(std::initializer_list<T> items) : Buffer(items.size()) {
    std::copy(items.begin(), items.end(), begin());
  }
  Buffer(const Buffer& other) : Buffer(other.size_) {
    if (size_ != 0) std::memcpy(static_cast<void*>(data()), other.data(), size_ * sizeof(T));
  }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() {
    if (base_ != nullptr) internal::release(base_, bytes());
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return base_ + offset_; }
  const T* data() const { return base_ + offset_; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  T& operator[](std::size_t i) { return data()[i]; }
  const T& operator[](std::size_t i) const { return data()[i]; }

 private:
  std::size_t bytes() const { return (size_ + offset_) * sizeof(T); }
  void swap(Buffer& other) {
    std::swap(base_, other.base_);
    std::swap(size_, other.size_);
    std::swap(offset_, other.offset_);
  }
  T* base_ = nullptr;
  std::size_t size_ = 0;
  std::size_t offset_ = 0;
};

}  // namespace headroom
