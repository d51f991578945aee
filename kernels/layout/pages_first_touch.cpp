// layout/pages_first_touch: get fresh memory from the system, and write to each 4 KiB of it.
//
// n bytes, in whole pages. Memory that mmap returns has no pages yet: each first touch of one is a
// fault, in which the kernel finds a page, zeroes it and enters it in the page table. Timed: the
// mmap, the advice, and a number written to the start of each 4 KiB. Giving the memory back is not:
// that happens before the next call. Out: the numbers, read back after the call.
#include <sys/mman.h>

#include <algorithm>

#include "core/kernel.h"
#include "support/pages.h"

namespace headroom {
namespace {

std::size_t set_bytes(std::size_t n) {
  return std::max<std::size_t>(1, (n + kSmallPage - 1) / kSmallPage) * kSmallPage;
}

struct FirstTouch {
  struct Call {
    std::size_t bytes;
    std::uint64_t first;  // the number written to the first page
  };
  struct Input {
    std::size_t bytes = 0;
    std::uint64_t seed = 0;
    Call at(std::size_t turn) const { return {bytes, seed + turn * 0x9e3779b97f4a7c15}; }
  };
  using Output = Buffer<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) { return {set_bytes(setting.n), rng()}; }
  static void size(const Input& in, Output& out) { out = Output(in.bytes / kSmallPage); }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    for (std::size_t page = 0; page < want.size(); ++page)
      if (absl::Status status = exact(call.first + page, want[page]); !status.ok()) return status;
    return exact(want, got);
  }
};

// Memory that the call asks for, and that is given back before the next one.
class Fresh {
 public:
  explicit Fresh(const FirstTouch::Input&) {}
  Fresh(const Fresh&) = delete;
  Fresh& operator=(const Fresh&) = delete;
  ~Fresh() { give_back(); }
  void refill(const FirstTouch::Call& call) {
    give_back();
    call_ = call;
  }
  void answer(FirstTouch::Output& out) const {
    for (std::size_t page = 0; page < out.size(); ++page)
      out[page] = *reinterpret_cast<const std::uint64_t*>(data_ + page * kSmallPage);
  }

  std::size_t bytes() const { return call_.bytes; }
  // Asks for `bytes`, from an address that is a multiple of `alignment` (a power of two).
  char* map(std::size_t bytes, std::size_t alignment, int flags) {
    mapped_ = bytes + (alignment == kSmallPage ? 0 : alignment);
    base_ =
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (base_ == MAP_FAILED) {
      base_ = nullptr;
      throw std::bad_alloc();
    }
    const auto start = reinterpret_cast<std::uintptr_t>(base_);
    data_ = static_cast<char*>(base_) + (alignment - start % alignment) % alignment;
    return data_;
  }
  void touch() {
    std::uint64_t number = call_.first;
    for (std::size_t at = 0; at < call_.bytes; at += kSmallPage)
      *reinterpret_cast<std::uint64_t*>(data_ + at) = number++;
  }

 private:
  void give_back() {
    if (base_ != nullptr) munmap(base_, mapped_);
    base_ = nullptr;
  }
  FirstTouch::Call call_ = {};
  void* base_ = nullptr;
  std::size_t mapped_ = 0;
  char* data_ = nullptr;
};

#ifdef MADV_HUGEPAGE
void advise(char* data, std::size_t bytes, int advice) { madvise(data, bytes, advice); }
constexpr int kHuge = MADV_HUGEPAGE, kNoHuge = MADV_NOHUGEPAGE;
#else
void advise(char*, std::size_t, int) {}
constexpr int kHuge = 0, kNoHuge = 0;
#endif
#ifdef MAP_POPULATE
constexpr int kPopulate = MAP_POPULATE;
#else
constexpr int kPopulate = 0;
#endif

// A fault for each 4 KiB.
void naive(Fresh& fresh, FirstTouch::Output&) {
  advise(fresh.map(fresh.bytes(), kSmallPage, 0), fresh.bytes(), kNoHuge);
  fresh.touch();
}

// One call into the kernel makes all pages: no fault each, and the page table is filled in order.
// (Where the system gives huge pages unasked, these are huge.)
void populate(Fresh& fresh, FirstTouch::Output&) {
  fresh.map(fresh.bytes(), kSmallPage, kPopulate);
  fresh.touch();
}

std::size_t whole_huge(std::size_t bytes) {
  return (bytes + kHugePage - 1) / kHugePage * kHugePage;
}

// One fault brings 2 MiB, zeroed in one sweep: a 512th of the faults. What is left is the zeroing.
void huge(Fresh& fresh, FirstTouch::Output&) {
  const std::size_t bytes = whole_huge(fresh.bytes());
  advise(fresh.map(bytes, kHugePage, 0), bytes, kHuge);
  fresh.touch();
}

#if defined(MADV_POPULATE_WRITE)
constexpr int kPopulateWrite = MADV_POPULATE_WRITE;
#else
constexpr int kPopulateWrite = 23;  // Linux 5.14; older headers don't have it
#endif

bool can_populate_write() {
#if defined(__linux__)
  static const bool can = [] {
    void* const page =
        mmap(nullptr, kSmallPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return false;
    const bool done = madvise(page, kSmallPage, kPopulateWrite) == 0;
    munmap(page, kSmallPage);
    return done;
  }();
  return can;
#else
  return false;
#endif
}

// Huge pages, all made by one call.
void huge_populate(Fresh& fresh, FirstTouch::Output&) {
  const std::size_t bytes = whole_huge(fresh.bytes());
  char* const data = fresh.map(bytes, kHugePage, 0);
  advise(data, bytes, kHuge);
  advise(data, bytes, kPopulateWrite);
  fresh.touch();
}

constexpr Need kNeedsPopulateWrite[] = {
    {"MADV_POPULATE_WRITE", can_populate_write, "Linux 5.14 or later"}};

constexpr Variant<FirstTouch> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "4 KiB pages: a fault for each"},
    {.name = "populate",
     .run = run<populate>,
     .what = "MAP_POPULATE: all pages made in one call, so no faults; zeroing and tables remain"},
    {.name = "huge",
     .run = run<huge>,
     .what = "MADV_HUGEPAGE: one fault for 2 MiB; what remains is the zeroing"},
    {.name = "huge_populate",
     .run = run<huge_populate>,
     .what = "huge pages made in one call: few faults are left to save, so no more than huge",
     .needs = kNeedsPopulateWrite},
};

const Registrar kRegistrar({.name = "layout/pages_first_touch",
                            .axis = Axis::kMemoryLatency,
                            .technique = "fewer page faults: huge pages, or all pages in one call",
                            .sizes = {4 << 20, 16 << 20, 64 << 20, 256 << 20},
                            .headline = {4 << 20, 16 << 20},
                            .ceiling = {"machine/first_touch", "huge_pages"},
                            .warm = Warm::kNone,
                            .demand =
                                [](const Setting& s) {
                                  const double pages =
                                      static_cast<double>(set_bytes(s.n) / kSmallPage);
                                  return Demand{.items = pages,
                                                .accesses = pages,
                                                .working_set = set_bytes(s.n),
                                                .memory = std::size(kVariants) *
                                                          std::max(set_bytes(s.n) + kHugePage,
                                                                   std::size_t{64} << 20)};
                                },
                            .test_sizes = {0, 1, 4096, 4097, 100'000, 3 << 20}},
                           kVariants);

}  // namespace
}  // namespace headroom
