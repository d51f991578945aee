#include "core/buffer.h"

#include <algorithm>
#include <atomic>
#include <bitset>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "core/pages.h"

namespace headroom {
namespace {

std::atomic<std::size_t> held{0};
thread_local std::size_t misalignment = 0;

struct Watched {
  const void* memory;
  std::size_t bytes;
};
// Of this thread's BufferWatch; null where there is none.
thread_local std::vector<Watched>* watched = nullptr;

constexpr std::size_t kCacheLine = 64;
// A page of 4 KiB lies wherever memory was free, so a buffer of many collides with itself in L2 by
// chance, differently in each launch: look-ups in 256 KiB differed by 2.7% between launches of a
// Zen 4 machine, and by 0.2% on a huge page.
constexpr std::size_t kHugeFrom = std::size_t{64} << 10;
// From here on a smaller buffer has pages of its own in a block (below); less is malloc's.
constexpr std::size_t kPagesFrom = 512;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kAddressSanitizer = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kAddressSanitizer = true;
#else
constexpr bool kAddressSanitizer = false;
#endif
#else
constexpr bool kAddressSanitizer = false;
#endif

// Pages for buffers that lie in L1, where virtual addresses decide what collides. malloc puts one
// array 64 or 128 bytes further into its page than the other, and the distance of the pages differs
// by launch. Measured on Zen 4, 8 KiB read and 8 KiB written, at 252 distances of 2 to 253 pages:
// - Where the output starts 64, 128 or 512 bytes further into its page than the input, the loop
//   takes 2 to 3 times as long at 29 of the distances, with 256 bytes at 52: presumably a load is
//   taken for one of what was just stored. Where both start at one place, as here, at none.
// - AMD predicts L1's way by a hash of bits 12 to 27 of the address (Lipp and others, "Take A Way",
//   2020): lines whose hashes agree push each other out. Two pages of one MiB have bits 20 to 27 in
//   common, so their hashes differ; 264 pages apart the loop took up to 3 times as long, wherever
//   in their pages the two started.
class SmallPages {
 public:
  static constexpr std::size_t kPage = 4096, kBlock = std::size_t{1} << 20;

  void* allocate(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const std::size_t pages = (bytes + kPage - 1) / kPage;
    for (const auto& block : blocks_)
      if (void* memory = block->take(pages)) return memory;
    auto* both = static_cast<char*>(map_pages(2 * kBlock, PageSize::kHuge));  // never given back
    for (char* base : {both, both + kBlock}) blocks_.push_back(std::make_unique<Block>(base));
    return blocks_.end()[-2]->take(pages);
  }

  void release(void* memory, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    auto* const at = static_cast<char*>(memory);
    for (const auto& block : blocks_)
      if (at >= block->base && at < block->base + kBlock)
        return block->give_back(static_cast<std::size_t>(at - block->base) / kPage,
                                (bytes + kPage - 1) / kPage);
  }

 private:
  struct Block {
    explicit Block(char* where) : base(where) {}
    char* base;
    std::bitset<kBlock / kPage> taken = {};

    void* take(std::size_t pages) {
      std::size_t free = 0;
      for (std::size_t page = 0; page < taken.size(); ++page) {
        free = taken[page] ? 0 : free + 1;
        if (free < pages) continue;
        const std::size_t first = page + 1 - pages;
        for (std::size_t i = first; i <= page; ++i) taken.set(i);
        return base + first * kPage;
      }
      return nullptr;
    }
    void give_back(std::size_t first, std::size_t pages) {
      for (std::size_t i = first; i < first + pages; ++i) taken.reset(i);
    }
  };

  std::mutex mutex_;
  std::vector<std::unique_ptr<Block>> blocks_;
};

SmallPages& small_pages() {
  static auto* const only = new SmallPages;  // outlives every buffer
  return *only;
}

// malloc would put its own header in front, and reuse of a heap block would make the page size
// depend on what ran before.
bool uses_pages(std::size_t bytes) { return bytes >= kHugeFrom && !kAddressSanitizer; }
bool uses_small_pages(std::size_t bytes) {
  return bytes >= kPagesFrom && bytes < kHugeFrom && !kAddressSanitizer;
}

}  // namespace

std::size_t buffer_bytes_held() { return held.load(std::memory_order_relaxed); }

ScopedMisalignment::ScopedMisalignment(std::size_t elements) { misalignment = elements; }
ScopedMisalignment::~ScopedMisalignment() { misalignment = 0; }

namespace internal {

std::size_t misaligned_elements() { return misalignment; }

void* allocate(std::size_t bytes) {
  void* memory = nullptr;
  if (uses_pages(bytes)) {
    memory = map_pages(bytes, PageSize::kHuge);
  } else if (uses_small_pages(bytes)) {
    memory = small_pages().allocate(bytes);
  } else if (posix_memalign(&memory, kCacheLine, bytes) != 0) {
    throw std::bad_alloc();
  }
  std::memset(memory, 0, bytes);
  held.fetch_add(bytes, std::memory_order_relaxed);
  if (watched != nullptr) watched->push_back({memory, bytes});
  return memory;
}

void release(void* memory, std::size_t bytes) {
  held.fetch_sub(bytes, std::memory_order_relaxed);
  if (watched != nullptr)
    std::erase_if(*watched, [memory](const Watched& block) { return block.memory == memory; });
  if (uses_pages(bytes)) {
    unmap_pages(memory, bytes);
  } else if (uses_small_pages(bytes)) {
    small_pages().release(memory, bytes);
  } else {
    std::free(memory);
  }
}

BufferWatch::BufferWatch() { watched = new std::vector<Watched>; }
BufferWatch::~BufferWatch() { delete std::exchange(watched, nullptr); }

// FNV-1a of Fowler, Noll and Vo, in words: nobody chooses inputs to collide.
std::uint64_t BufferWatch::hash() const {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&hash](std::uint64_t word) {
    hash = (hash ^ word) * 0x100000001b3;
    hash ^= hash >> 32;
  };
  for (const Watched& block : *watched) {
    add(block.bytes);
    const auto* const bytes = static_cast<const unsigned char*>(block.memory);
    for (std::size_t i = 0; i < block.bytes; i += sizeof(std::uint64_t)) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes + i, std::min(sizeof word, block.bytes - i));
      add(word);
    }
  }
  return hash;
}

}  // namespace internal
}  // namespace headroom
