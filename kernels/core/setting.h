// The coordinates of a problem instance: size, input, seed, threads, and whatever else a kernel
// varies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headroom {

// The name of one of a kernel's inputs. Compared with `kInputs["name"]` of the problem, which is
// looked up when the program is compiled; a bare string would let a slip of the pen through. The
// text must outlive it: names are literals, or stand in a kernel's metadata.
class InputName {
 public:
  constexpr InputName() = default;
  // Implicit: a name stands for itself.
  // NOLINTBEGIN(google-explicit-constructor)
  constexpr InputName(std::string_view text) : text_(text) {}
  constexpr InputName(const char* text) : text_(text) {}
  InputName(const std::string& text) : text_(text) {}
  // NOLINTEND(google-explicit-constructor)
  constexpr std::string_view text() const { return text_; }
  friend constexpr bool operator==(InputName a, InputName b) { return a.text_ == b.text_; }
  template <std::size_t kSize>
  friend bool operator==(InputName, const char (&)[kSize]) = delete;  // write kInputs["name"]

 private:
  std::string_view text_ = "default";
};

namespace internal {
void this_problem_declares_no_input_of_that_name();  // called only where that is an error
}

// The names of a problem's inputs. The first is the default.
template <std::size_t kCount>
struct Inputs {
  std::string_view names[kCount] = {};
  std::size_t measured = kCount;  // those from here on are for tests only

  // The name, known to be declared; else an error of the compiler's.
  consteval InputName operator[](std::string_view name) const {
    for (std::string_view known : names)
      if (known == name) return InputName(known);
    internal::this_problem_declares_no_input_of_that_name();
    return {};
  }
  // The same with further inputs, which tests ask for and nobody measures.
  template <class... Names>
  consteval auto for_tests(const Names&... more) const {
    Inputs<kCount + sizeof...(Names)> all;
    for (std::size_t i = 0; i < kCount; ++i) all.names[i] = names[i];
    std::size_t next = kCount;
    ((all.names[next++] = more), ...);
    all.measured = measured;
    return all;
  }
};

// static constexpr auto kInputs = inputs("random", "sorted").for_tests("all_equal");
template <class... Names>
consteval auto inputs(const Names&... names) {
  return Inputs<sizeof...(Names)>{{std::string_view(names)...}, sizeof...(Names)};
}

// Further coordinates, by name, in the order in which the kernel declares them: {"clients", 16}.
class Params {
 public:
  using Entry = std::pair<std::string, std::int64_t>;
  Params() = default;
  Params(std::initializer_list<Entry> entries) : entries_(entries) {}
  explicit Params(std::vector<Entry> entries) : entries_(std::move(entries)) {}
  // Throws std::out_of_range naming what is missing.
  std::int64_t operator[](std::string_view name) const {
    for (const Entry& entry : entries_)
      if (entry.first == name) return entry.second;
    throw std::out_of_range("no param named " + std::string(name));
  }
  bool empty() const { return entries_.empty(); }
  const std::vector<Entry>& entries() const { return entries_; }
  friend bool operator==(const Params&, const Params&) = default;

 private:
  std::vector<Entry> entries_;
};

struct Setting {
  std::size_t n = 0;
  InputName input = {};  // one of the kernel's inputs
  std::uint64_t seed = 1;
  int threads = 1;  // how many the variant may use
  Params params = {};
};

}  // namespace headroom
