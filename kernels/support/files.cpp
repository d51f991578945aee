#include "support/files.h"

#include <signal.h>

#include <mutex>

namespace headroom::files::internal {
namespace {

thread_local constinit Fault* armed = nullptr;
struct sigaction before;

// The kernel sends SIGBUS to the thread that touched the page.
void on_fault(int, siginfo_t* info, void*) {
  Fault* const fault = armed;
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  const auto begin = fault == nullptr ? 0 : reinterpret_cast<std::uintptr_t>(fault->data);
  if (fault != nullptr && begin <= address && address < begin + fault->size)
    siglongjmp(fault->back, 1);
  // Not ours: touched again, it does what it would have done without us.
  sigaction(SIGBUS, &before, nullptr);
}

}  // namespace

Armed::Armed(Fault& fault) : before_(armed) {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    // The handler is left by a jump, which would leave the signal blocked.
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    require(sigaction(SIGBUS, &action, &before) == 0, "sigaction");
  });
  armed = &fault;
}
Armed::~Armed() { armed = before_; }

}  // namespace headroom::files::internal
