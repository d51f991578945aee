// computation/string_split: the fields of a text, between commas.
//
// In: a text of n fields; those of consecutive calls differ, for where fields end is what branches
// depend on. Out: the fields in order. How they are kept is the subject: as
// strings, as views of the text, or as the offsets where they end (a field begins one behind the
// end of the last). Agreement is exact, field by field; a result is made anew in every call,
// allocation included.
//
// Inputs: short has fields of 0 to 15 letters, as tables have; prose has what is between the commas
// of a text, a comma after every eleventh word: 64 letters and blanks on average, in words as long
// as Norvig counted (support/words.h).
//
// A std::string for each field copies it, and allocates for those of more than 15 bytes; a view
// does neither. Then finding the commas is what takes time: a call and a mispredicted branch per
// field, which matter less the longer fields are. A comparison of a whole vector finds all commas
// in 64 bytes at once, as a mask, and its set bits are read off without a branch for each (Langdale
// and Lemire, "Parsing gigabytes of JSON per second", 2019).
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "core/kernel.h"
#include "support/words.h"

namespace headroom {
namespace {

constexpr std::size_t kFields = std::size_t{1} << 20;  // carried, of short ones
constexpr std::size_t kSpare = 64;

struct StringSplit {
  static constexpr auto kInputs = inputs("short", "prose").for_tests("empty");
  struct Call {
    const std::string& text;
    std::size_t n;  // fields
  };
  struct Input {
    std::vector<std::string> texts;
    std::size_t n = 0;
    Call at(std::size_t turn) const { return {texts[turn % texts.size()], n}; }
  };
  // The fields in one of three forms: the last one that was written.
  struct Output {
    enum { kNothing, kStrings, kViews, kEnds } form = kNothing;
    std::vector<std::string> strings;
    std::vector<std::string_view> views;
    std::vector<absl::string_view> absl_views;  // in some versions of Abseil another type
    Buffer<std::uint32_t> ends;
    std::size_t count = 0;  // of ends

    void poison() {
      form = kNothing;
      strings.clear();
      views.clear();
      absl_views.clear();
      headroom::poison(ends);
    }
    bool spoil(Spoil how) {
      if (form == kStrings) return headroom::spoil(strings, how);
      if (form == kEnds) return spoil_counted(how, ends.data(), count);
      if (how != Spoil::kLength || views.empty()) return false;
      views.pop_back();
      return true;
    }
    std::vector<std::string_view> fields(std::string_view text) const {
      std::vector<std::string_view> all;
      if (form == kStrings) all.assign(strings.begin(), strings.end());
      if (form == kViews) all.assign(views.begin(), views.end());
      if (form == kViews)
        for (const absl::string_view& view : absl_views) all.emplace_back(view.data(), view.size());
      std::size_t begin = 0;
      for (std::size_t i = 0; form == kEnds && i < std::min(count, ends.size()); ++i) {
        if (ends[i] < begin || ends[i] > text.size()) return {};
        all.push_back(text.substr(begin, ends[i] - begin));
        begin = std::size_t{ends[i]} + 1;
      }
      return all;
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.n = setting.n;
    const bool prose = setting.input == kInputs["prose"];
    const std::size_t carried = prose ? kFields / 8 : kFields;
    const std::size_t slices = in.n == 0     ? 1
                               : in.n < 1000 ? 4
                                             : std::max<std::size_t>(1, carried / in.n);
    FastRng fast(rng());
    for (std::size_t slice = 0; slice < slices; ++slice) {
      std::string text;
      text.reserve(in.n * (prose ? 67 : 9));
      for (std::size_t i = 0; i < in.n; ++i) {
        if (prose) {
          do append_word(text += ' ', fast);
          while (bounded(fast, 11) != 0);
          if (i + 1 != in.n) text += ',';
          continue;
        }
        // Letters, and what a careless comparison takes for a comma.
        std::uint64_t bits = fast();
        const std::size_t length =
            setting.input == kInputs["empty"] ? (bits >> 58) % 2 : bits >> 60;
        for (std::size_t k = 0; k < length; ++k, bits >>= 4)
          text += "abcdefghijklm-+\xac"[bits & 15];
        if (i + 1 != in.n) text += ',';
      }
      in.texts.push_back(std::move(text));
    }
    return in;
  }
  static Input from(std::span<const std::uint8_t> bytes) {
    Input in;
    in.texts.emplace_back(bytes.begin(), bytes.end());
    in.n = static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), ',')) + 1;
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.ends = Buffer<std::uint32_t>(in.n + kSpare);
  }
  static absl::Status same(const Call& in, const Output& want, const Output& got) {
    return exact(want.fields(in.text), got.fields(in.text));
  }
};
using Call = StringSplit::Call;
using Output = StringSplit::Output;

void naive(const Call& in, Output& out) {
  std::vector<std::string> fields;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = in.text.find(',', begin);
    if (end == std::string::npos) break;
    fields.push_back(in.text.substr(begin, end - begin));
    begin = end + 1;
  }
  fields.push_back(in.text.substr(begin));
  out.strings = std::move(fields);
  out.form = Output::kStrings;
}

void absl_strings(const Call& in, Output& out) {
  out.strings = absl::StrSplit(in.text, ',');
  out.form = Output::kStrings;
}

// Nothing is copied: a view is a pointer and a length. It must not outlive the text. What remains
// is a call and a mispredicted branch for each field, as in naive. `expected` is how many fields
// there is room for at once.
void split_views(std::string_view text, std::size_t expected, Output& out) {
  std::vector<std::string_view> fields;
  fields.reserve(expected);
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = text.find(',', begin);
    if (end == std::string_view::npos) break;
    fields.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  fields.push_back(text.substr(begin));
  out.views = std::move(fields);
  out.form = Output::kViews;
}

void views_growing(const Call& in, Output& out) { split_views(in.text, 0, out); }

// The commas are counted first, a pass that the compiler vectorizes, so that the views are not
// moved while their vector grows.
void views(const Call& in, Output& out) {
  const std::size_t commas =
      static_cast<std::size_t>(std::count(in.text.begin(), in.text.end(), ','));
  split_views(in.text, commas + 1, out);
}

void absl_views(const Call& in, Output& out) {
  out.absl_views = absl::StrSplit(in.text, ',');
  out.form = Output::kViews;
}

// No container either: each field is used when it is found.
void absl_lazy(const Call& in, Output& out) {
  std::size_t count = 0;
  for (const absl::string_view field : absl::StrSplit(in.text, ','))
    out.ends[count++] = static_cast<std::uint32_t>(field.data() + field.size() - in.text.data());
  out.count = count;
  out.form = Output::kEnds;
}

// A byte at a time: for short fields a call of memchr costs more. For long ones the loop does.
void loop(const Call& in, Output& out) {
  const char* const text = in.text.data();
  const std::size_t size = in.text.size();
  std::size_t count = 0;
  for (std::size_t i = 0; i < size; ++i)
    if (text[i] == ',') out.ends[count++] = static_cast<std::uint32_t>(i);
  out.ends[count++] = static_cast<std::uint32_t>(size);
  out.count = count;
  out.form = Output::kEnds;
}

// Every place is written, but only a comma moves on to the next: no branch to mispredict.
void branchless(const Call& in, Output& out) {
  const char* const text = in.text.data();
  const std::size_t size = in.text.size();
  std::uint32_t* to = out.ends.data();
  for (std::size_t i = 0; i < size; ++i) {
    *to = static_cast<std::uint32_t>(i);
    to += text[i] == ',';
  }
  *to++ = static_cast<std::uint32_t>(size);
  out.count = static_cast<std::size_t>(to - out.ends.data());
  out.form = Output::kEnds;
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "computation/string_split-inl.h"
#include "computation/string_split-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(FindCommas);

void highway(const Call& in, Output& out) {
  const std::size_t count = HWY_DYNAMIC_DISPATCH(FindCommas)(
      reinterpret_cast<const std::uint8_t*>(in.text.data()), in.text.size(), out.ends.data());
  out.ends[count] = static_cast<std::uint32_t>(in.text.size());
  out.count = count + 1;
  out.form = Output::kEnds;
}

constexpr Variant<StringSplit> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "find and substr into a std::vector<std::string>"},
    {.name = "absl_strings",
     .run = run<absl_strings>,
     .what = "absl::StrSplit into strings: as many copies",
     .role = Role::kPeer},
    {.name = "views_growing",
     .run = run<views_growing>,
     .what = "std::string_view: nothing is copied; the call and the mispredicted end of each short "
             "field remain",
     .promise_note = "valid while the text is"},
    {.name = "views",
     .run = run<views>,
     .what = "commas counted first: the views aren't moved while their vector grows",
     .promise_note = "valid while the text is"},
    {.name = "absl_views",
     .run = run<absl_views>,
     .what = "absl::StrSplit into views",
     .role = Role::kPeer,
     .promise_note = "valid while the text is"},
    {.name = "absl_lazy",
     .run = run<absl_lazy>,
     .what = "a loop over absl::StrSplit: no container of views, only offsets",
     .role = Role::kPeer,
     .promise_note = "valid while the text is"},
    {.name = "loop",
     .run = run<loop>,
     .what = "offsets, not views, by a loop over the bytes: a branch on each",
     .promise_note = "valid while the text is"},
    {.name = "branchless",
     .run = run<branchless>,
     .what = "every position is written, only a comma advances: no branch on the data",
     .promise_note = "valid while the text is"},
    {.name = "highway",
     .run = run<highway>,
     .what = "64 bytes per comparison; the set bits of its mask are the positions",
     .promise_note = "valid while the text is"},
};

const Registrar kRegistrar(
    {.name = "computation/string_split",
     .axis = Axis::kScalar,
     .technique = "views, not copies; then a mask of delimiters, not a branch on each byte",
     .sizes = {1000, 16384, 262144, 4 << 20},
     .headline = {1000, 262144},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           const bool prose = s.input == StringSplit::kInputs["prose"];
           const double field = prose ? 65 : 8.5;
           const std::size_t carried = 9 * kFields + (prose ? 67 : 9) * s.n;
           // While growing, old and new; of the long ones also what they allocate.
           const std::size_t strings = (3 * sizeof(std::string) + (prose ? 160 : 0)) * s.n;
           return Demand{.items = n,
                         .bytes = (field + 4) * n,
                         .working_set = (prose ? 69 : 13) * s.n,
                         .memory = carried + 2 * strings + 3 * 48 * s.n + 8 * 4 * (s.n + kSpare)};
         },
     .test_sizes = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 1001}},
    kVariants);

}  // namespace
}  // namespace headroom
