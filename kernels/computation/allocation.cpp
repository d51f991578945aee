// computation/allocation: make small objects, use them, give them back.
//
// In: n objects, their sizes and a 64-bit value for each. An object is allocated, its value is
// written to it, and read again when it is released. Out: the value that each object had at the
// end, so that an allocator that hands out the same bytes twice is caught. Exact.
//
// Inputs: batch makes n objects of 32 bytes and then releases them in the order they were made, as
// a request or a frame does. mixed does so with random sizes from 16 to 256 bytes. churn keeps n /
// 8 of 32 bytes alive, and each new one takes the place of a random older one. What branches depend
// on (sizes, slots) is drawn afresh over 2^20 objects before it repeats.
//
// A general allocator must find a free block of the right size, which any thread may have freed, in
// any order; new and delete pay for that even where the lifetimes are known. Sources: Hanson, "Fast
// allocation and deallocation of memory based on object lifetimes" (1990), for the arena; Weinstock
// and Wulf, "Quick Fit" (1988), for a list per size; Berger, Zorn and McKinley, "Reconsidering
// custom memory allocation" (2002), for when neither pays.
#include <dlfcn.h>

#include <memory_resource>
#include <new>
#include <thread>

#include "computation/decisions.h"
#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kSmallest = 512;
constexpr std::size_t kGrain = 16;  // all blocks are a multiple of it, and aligned to it
constexpr std::size_t kLargest = 256;

struct alignas(kGrain) Grain {
  std::byte bytes[kGrain];
};

constexpr std::size_t rounded(std::size_t size) { return (size + kGrain - 1) & ~(kGrain - 1); }

struct Allocation {
  static constexpr auto kInputs = inputs("mixed", "fixed", "churn");
  struct Call {
    std::span<const std::uint64_t> values;
    std::span<const std::uint16_t> sizes;
    std::span<const std::uint32_t> slots;  // churn: the place that each object takes
    std::size_t alive = 0;                 // churn: how many places there are
  };
  struct Input {
    std::size_t n = 0;
    Slices slices;  // of sizes and slots
    std::size_t alive = 0;
    Buffer<std::uint64_t> values;
    Buffer<std::uint16_t> sizes;
    Buffer<std::uint32_t> slots;  // or empty

    Call at(std::size_t turn) const {
      const std::size_t first = slices.first(turn);
      return {{values.data(), n},
              {sizes.data() + first, n},
              {slots.data() + first, slots.empty() ? 0 : n},
              alive};
    }
  };
  struct Output {
    Buffer<std::uint64_t> values;    // of objects as they were released
    Buffer<std::uint64_t*> objects;  // alive, a place each; not part of the answer
    void poison() { headroom::poison(values); }
    bool spoil(Spoil how) { return headroom::spoil(values, how); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    // In a process that never had a second thread glibc takes no locks: not what programs pay that
    // have some.
    std::thread([] {}).join();
    Input in;
    in.n = setting.n;
    in.slices = slices_for(in.n, kSmallest);
    FastRng fast(rng());
    in.values = Buffer<std::uint64_t>(in.n);
    for (std::uint64_t& value : in.values) value = fast();
    in.sizes = Buffer<std::uint16_t>(in.slices.items());
    for (std::uint16_t& size : in.sizes)
      size = setting.input == kInputs["mixed"]
                 ? static_cast<std::uint16_t>(16 + fast() % (kLargest - 15))
                 : 32;
    if (setting.input == kInputs["churn"]) {
      in.alive = in.n / 8 + 1;
      in.slots = Buffer<std::uint32_t>(in.slices.items());
      for (std::uint32_t& slot : in.slots)
        slot = static_cast<std::uint32_t>(bounded(fast, in.alive));
    }
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.values = Buffer<std::uint64_t>(in.n + in.alive);
    out.objects = Buffer<std::uint64_t*>(std::max(in.n, in.alive));
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want.values, got.values);
  }
};
using Call = Allocation::Call;
using Input = Allocation::Input;
using Output = Allocation::Output;

// The work of one call, the same for all: `make(size)` is memory for an object, `drop(object,
// size)` gives it back. What the loops read is copied to local variables, as a new object may lie
// anywhere, for all that the compiler knows.
template <class Make, class Drop>
inline void replay(const Call& in, Output& out, Make make, Drop drop) {
  const std::size_t n = in.values.size();
  const std::uint64_t* const values = in.values.data();
  const std::uint16_t* const sizes = in.sizes.data();
  const std::uint32_t* const slots = in.slots.data();
  const std::size_t alive = in.alive;
  std::uint64_t** const objects = out.objects.data();
  std::uint64_t* const released = out.values.data();
  if (alive == 0) {
    for (std::size_t i = 0; i < n; ++i)
      objects[i] = ::new (make(sizes[i])) std::uint64_t(values[i]);
    for (std::size_t i = 0; i < n; ++i) {
      released[i] = *objects[i];
      drop(objects[i], sizes[i]);
    }
    return;
  }
  std::fill_n(objects, alive, nullptr);
  const auto release = [&](std::uint64_t* object) {
    if (object == nullptr) return std::uint64_t{0};
    const std::uint64_t value = *object;
    drop(object, std::size_t{32});
    return value;
  };
  for (std::size_t i = 0; i < n; ++i) {
    std::uint64_t*& place = objects[slots[i]];
    released[i] = release(place);
    place = ::new (make(sizes[i])) std::uint64_t(values[i]);
  }
  for (std::size_t i = 0; i < alive; ++i) released[n + i] = release(objects[i]);
}

void naive(const Call& in, Output& out) {
  replay(
      in, out, [](std::size_t size) { return ::operator new(size); },
      [](void* object, std::size_t) { ::operator delete(object); });
}

// Blocks of memory that objects are cut from, one after the other. They are kept from call to call.
class Arena {
 public:
  struct Block {
    std::byte* next = nullptr;
    std::byte* end = nullptr;
  };
  explicit Arena(const Input&) {}
  // Everything given out so far is free again.
  void clear() { used_ = 0; }
  // The next block that has `size` bytes; a new one is twice as large as the last one.
  Block block(std::size_t size) {
    const std::size_t grains = (size + kGrain - 1) / kGrain;
    while (used_ < blocks_.size() && blocks_[used_].size() < grains) ++used_;
    if (used_ == blocks_.size())
      blocks_.emplace_back(std::max(grains, blocks_.empty() ? kFirst : 2 * blocks_.back().size()));
    Buffer<Grain>& block = blocks_[used_++];
    return {reinterpret_cast<std::byte*>(block.begin()), reinterpret_cast<std::byte*>(block.end())};
  }

 private:
  static constexpr std::size_t kFirst = (std::size_t{1} << 16) / kGrain;
  std::vector<Buffer<Grain>> blocks_;
  std::size_t used_ = 0;
};

// Cuts `size` bytes, a multiple of kGrain, off the block.
inline void* bump(Arena& arena, Arena::Block& block, std::size_t size) {
  if (size > static_cast<std::size_t>(block.end - block.next)) [[unlikely]]
    block = arena.block(size);
  return std::exchange(block.next, block.next + size);
}

// To allocate is an addition, and to release n objects is nothing: they all end with the call. The
// end of the block is a local variable, or each addition would wait for the store of the last one.
// Objects of mixed sizes spread as far as malloc's do, and each is written and read once: where the
// C library answers from a cache of the thread, that bounds the gain.
void arena(Arena& arena, const Call& in, Output& out) {
  arena.clear();
  Arena::Block block = arena.block(kLargest);
  replay(
      in, out, [&](std::size_t size) { return bump(arena, block, rounded(size)); },
      [](void*, std::size_t) {});
}

struct FreeLists {
  struct Node {
    Node* next;
  };
  explicit FreeLists(const Input& in) : arena(in) {}
  Node* lists[kLargest / kGrain + 1] = {};  // by size, in units of kGrain
  Arena arena;
  Arena::Block block;
};

// A list for each size, linked through the free blocks themselves: what was released last is handed
// out first, still in the cache, without a lock or a search. Memory never changes its size, nor its
// thread.
void free_list(FreeLists& state, const Call& in, Output& out) {
  using Node = FreeLists::Node;
  replay(
      in, out,
      [&](std::size_t size) -> void* {
        Node*& list = state.lists[(size + kGrain - 1) / kGrain];
        if (list == nullptr) [[unlikely]]
          return bump(state.arena, state.block, rounded(size));
        return std::exchange(list, list->next);
      },
      [&](void* object, std::size_t size) {
        Node*& list = state.lists[(size + kGrain - 1) / kGrain];
        list = ::new (object) Node{list};
      });
}

// As a container with a polymorphic allocator asks it: through a virtual function.
inline void replay_from(std::pmr::memory_resource& any, const Call& in, Output& out) {
  std::pmr::memory_resource* const resource = opaque(&any);
  replay(
      in, out, [&](std::size_t size) { return resource->allocate(size, kGrain); },
      [&](void* object, std::size_t size) { resource->deallocate(object, size, kGrain); });
}

struct FreeStacks {
  struct Stack {
    std::vector<void*> blocks;  // as large as it ever was
    std::size_t size = 0;
  };
  explicit FreeStacks(const Input& in) : arena(in) {}
  Stack stacks[kLargest / kGrain + 1];  // by size, in units of kGrain
  Arena arena;
  Arena::Block block;
};

// The same, with the addresses of free blocks in an array instead of in the blocks: the next one is
// known without reading the last one, and memory that is free isn't touched.
void free_stack(FreeStacks& state, const Call& in, Output& out) {
  replay(
      in, out,
      [&](std::size_t size) -> void* {
        FreeStacks::Stack& stack = state.stacks[(size + kGrain - 1) / kGrain];
        if (stack.size == 0) [[unlikely]]
          return bump(state.arena, state.block, rounded(size));
        return stack.blocks[--stack.size];
      },
      [&](void* object, std::size_t size) {
        FreeStacks::Stack& stack = state.stacks[(size + kGrain - 1) / kGrain];
        if (stack.size == stack.blocks.size()) [[unlikely]]
          stack.blocks.resize(2 * stack.size + 64);
        stack.blocks[stack.size++] = object;
      });
}

struct Monotonic {
  explicit Monotonic(const Input& in)
      : memory(in.n * kLargest / kGrain + 1), resource(memory.data(), memory.size() * kGrain) {}
  Buffer<Grain> memory;
  std::pmr::monotonic_buffer_resource resource;
};

// The standard library's arena, asked through a virtual function, as containers do.
void pmr_monotonic(Monotonic& state, const Call& in, Output& out) {
  replay_from(state.resource, in, out);
  state.resource.release();
}

struct Pool {
  explicit Pool(const Input&) {}
  std::pmr::unsynchronized_pool_resource resource;
};

// No locks, but a block doesn't know its pool's chunk: each release searches for it, and each
// allocation looks for a free bit in a bitmap.
void pmr_pool(Pool& state, const Call& in, Output& out) { replay_from(state.resource, in, out); }

// mimalloc, loaded beside the process's own malloc: linked in, it would replace it for everyone.
struct Mimalloc {
  void* (*malloc)(std::size_t) = nullptr;
  void (*free)(void*) = nullptr;
  Mimalloc() {
    for (const char* name : {"libmimalloc.so.2", "libmimalloc.so", "libmimalloc.dylib"}) {
      void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
      if (library == nullptr) continue;
      malloc = reinterpret_cast<void* (*)(std::size_t)>(dlsym(library, "mi_malloc"));
      free = reinterpret_cast<void (*)(void*)>(dlsym(library, "mi_free"));
      return;
    }
  }
  explicit Mimalloc(const Input&) : Mimalloc(loaded()) {}
  static const Mimalloc& loaded() {
    static const Mimalloc one;
    return one;
  }
  static bool there() { return loaded().malloc != nullptr && loaded().free != nullptr; }
};

// A free list for each page of blocks of a size, and each thread its own pages: few instructions,
// no atomic ones (Leijen, Zorn and de Moura, "Mimalloc: free list sharding in action", 2019).
void mimalloc(const Mimalloc& state, const Call& in, Output& out) {
  replay(in, out, state.malloc, [&](void* object, std::size_t) { state.free(object); });
}

constexpr Need kNeedsMimalloc[] = {
    {"mimalloc", Mimalloc::there, "install libmimalloc2.0 (or libmimalloc-dev)"}};

constexpr Variant<Allocation> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "new and delete: the C library's malloc, in a process that has had threads"},
    {.name = "arena",
     .run = run<arena>,
     .what = "an addition per object, all released at once; what remains is using the objects; in "
             "churn it holds what is dead too",
     .promise_note = "for one thread; all memory is released together"},
    {.name = "free_list",
     .run = run<free_list>,
     .what = "a list of free blocks per size: the last one released is the next one handed out",
     .promise_note = "for one thread; a block keeps its size"},
    {.name = "free_stack",
     .run = run<free_stack>,
     .what = "free blocks' addresses in an array per size: no chain of loads through the blocks",
     .promise_note = "for one thread; a block keeps its size"},
    {.name = "pmr_monotonic",
     .run = run<pmr_monotonic>,
     .what = "std::pmr::monotonic_buffer_resource: an arena behind a virtual call",
     .promise_note = "for one thread; all memory is released together"},
    {.name = "pmr_pool",
     .run = run<pmr_pool>,
     .what = "std::pmr::unsynchronized_pool_resource: searches a bitmap and a list of chunks",
     .promise_note = "for one thread"},
    {.name = "mimalloc",
     .run = run<mimalloc>,
     .what = "mimalloc: free lists by page, owned by the thread, nothing atomic",
     .role = Role::kPeer,
     .needs = kNeedsMimalloc},
};

const Registrar kRegistrar(
    {.name = "computation/allocation",
     .axis = Axis::kScalar,
     .technique = "objects that end together are released together; a list per size for the others",
     .sizes = {512, 4096, 32768, 1 << 19},
     .headline = {512, 32768},
     .demand =
         [](const Setting& s) {
           const std::size_t object = s.input == Allocation::kInputs["mixed"] ? 136 : 32;
           return Demand{.items = static_cast<double>(s.n),
                         .working_set = (object + 32) * s.n,
                         .memory = 7 * (2 * object + 64) * s.n + kLargest * s.n + 6 * kDecisions};
         }},
    kVariants);

}  // namespace
}  // namespace headroom
