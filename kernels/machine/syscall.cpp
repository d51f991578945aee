// machine/syscall: what it costs to go into the kernel and back, n times a call.
//
// getppid does next to nothing there: the price of the door. write_byte is write(2) of one byte to
// a file in the page cache: the price of the least useful thing that programs do by the million.
// Out: all the answers of getppid; the bytes of the file, read back untimed.
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <vector>

#include "core/kernel.h"
#include "core/scratch.h"

namespace headroom {
namespace {

struct Syscall {
  static constexpr auto kInputs = inputs("getppid", "write_byte");
  struct Input {
    bool writes = false;
    Buffer<unsigned char> bytes;  // to be written
  };
  using Output = std::vector<unsigned char>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{setting.input == kInputs["write_byte"], Buffer<unsigned char>(setting.n)};
    for (unsigned char& byte : in.bytes) byte = static_cast<unsigned char>(rng() >> 56);
    return in;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    // What getppid answers is not known in advance, but 1 stands for each time that it was right.
    Output truth(in.bytes.begin(), in.bytes.end());
    if (!in.writes) truth.assign(truth.size(), 1);
    if (absl::Status fine = exact(truth, want); !fine.ok()) return fine;
    return exact(want, got);
  }
};

void require(bool fine, const char* what) {
  if (fine) return;
  throw std::system_error(errno, std::generic_category(),
                          std::string(what) + " in scratch folder " + scratch_folder());
}

// A file of n other bytes in the page cache, at its start.
struct Work {
  explicit Work(const Syscall::Input& input) : in(input), answers(input.bytes.size()) {}
  void refill(const Syscall::Input&) {
    std::fill(answers.begin(), answers.end(), pid_t{0});
    if (!in.writes) return;
    std::vector<unsigned char> other(in.bytes.begin(), in.bytes.end());
    for (unsigned char& byte : other) byte = static_cast<unsigned char>(~byte);
    const auto size = static_cast<ssize_t>(other.size());
    require(pwrite(file.fd(), other.data(), other.size(), 0) == size, "write");
    require(lseek(file.fd(), 0, SEEK_SET) == 0, "seek");
  }
  void answer(Syscall::Output& out) const {
    out.assign(in.bytes.size(), 0);
    if (in.writes) {
      const auto size = static_cast<ssize_t>(out.size());
      require(pread(file.fd(), out.data(), out.size(), 0) == size, "read");
    } else {
      const pid_t parent = getppid();
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = answers[i] == parent;
    }
  }
  const Syscall::Input& in;
  std::vector<pid_t> answers;
  ScratchFile file;
};

void probe(Work& work, Syscall::Output&) {
  const std::size_t n = work.in.bytes.size();
  if (work.in.writes) {
    const unsigned char* const bytes = work.in.bytes.data();
    for (std::size_t i = 0; i < n; ++i) require(write(work.file.fd(), bytes + i, 1) == 1, "write");
  } else {
    // Not getppid(): a library may remember the answer.
    for (std::size_t i = 0; i < n; ++i)
      work.answers[i] = static_cast<pid_t>(::syscall(SYS_getppid));
  }
}

constexpr Variant<Syscall> kVariants[] = {
    {.name = "probe", .run = run<probe>, .what = "the system call, one after the other"},
};

const Registrar kRegistrar({.name = "machine/syscall",
                            .axis = Axis::kSyscall,
                            .technique = "the cost of a system call",
                            .sizes = {128},
                            .headline = {128},
                            .clock = Clock::kWall,
                            .warm = Warm::kCall,
                            .unit = "ns",
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = 64 << 10,
                                                .scratch = 1 << 20};
                                },
                            .test_sizes = {1, 2, 33}},
                           kVariants);

}  // namespace
}  // namespace headroom
