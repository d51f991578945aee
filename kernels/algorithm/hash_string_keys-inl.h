// Finds in a StringTable, 16 bytes of hash compared at once. Included by hash_string_keys.cpp once
// for each target, after StringTable.
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hwy/cache_control.h"
#include "support/mask_bits-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// A bit for each of the 16 slots whose byte is `tag`.
HWY_INLINE uint32_t TagMatches(const uint8_t* HWY_RESTRICT tags, uint8_t tag) {
  const hn::CappedTag<uint8_t, kGroupSlots> d;
  const auto wanted = hn::Set(d, tag);
  uint32_t matches = 0;
  for (size_t i = 0; i < kGroupSlots; i += hn::Lanes(d)) {
    const auto same = hn::Eq(hn::LoadU(d, tags + i), wanted);
    matches |= static_cast<uint32_t>(MaskBits(d, same)) << i;
  }
  return matches;
}

template <size_t kCount>
HWY_INLINE uint64_t FindString(const StringTable& table, std::string_view text,
                               const Padded<kCount>& key, StringTable::Place at) {
  for (size_t group = at.group;; group = table.after(group)) {
    const uint8_t* HWY_RESTRICT tags = table.tags(group);
    for (uint32_t matches = TagMatches(tags, at.tag); matches != 0; matches &= matches - 1) {
      const size_t slot = hwy::Num0BitsBelowLS1Bit_Nonzero32(matches);
      const StringTable::Record& record = table.record(group * kGroupSlots + slot);
      if (HWY_LIKELY(table.is(record, key, text))) return record.value;
    }
    if (TagMatches(tags, 0) != 0) return 0;
  }
}

// Calls f with the text as numbers, as few as a short one has.
template <class F>
HWY_INLINE void WithPadded(std::string_view text, F f) {
  if (HWY_LIKELY(text.size() <= kShort))
    f(PaddedShort(text));
  else
    f(PaddedKey(text));
}

}  // namespace

void FindStrings(const StringTable& table, const std::string_view* HWY_RESTRICT texts, size_t count,
                 uint64_t* HWY_RESTRICT out) {
  for (size_t i = 0; i < count; ++i) {
    WithPadded(texts[i], [&](const auto& key) HWY_ATTR {
      out[i] = FindString(table, texts[i], key, table.place(hash_of(key, texts[i])));
    });
  }
}

// In passes over a group: hashes, with the bytes of hash prefetched where they are larger than L2;
// the first slot that may be the one, with its record prefetched; then the finds.
void FindStringGroups(const StringTable& table, size_t l2_bytes,
                      const std::string_view* HWY_RESTRICT texts, size_t count,
                      uint64_t* HWY_RESTRICT out) {
  constexpr size_t kStep = 64;
  StringTable::Place places[kStep];
  for (size_t i = 0; i < count; i += kStep) {
    const size_t group = HWY_MIN(kStep, count - i);
    for (size_t j = 0; j < group; ++j) {
      WithPadded(texts[i + j], [&](const auto& key) HWY_ATTR {
        places[j] = table.place(hash_of(key, texts[i + j]));
      });
      if (table.tag_bytes() > l2_bytes) hwy::Prefetch(table.tags(places[j].group));
    }
    for (size_t j = 0; j < group; ++j) {
      // 0x8000: the last slot, where none matches.
      const uint32_t matches = TagMatches(table.tags(places[j].group), places[j].tag) | 0x8000;
      const size_t slot = hwy::Num0BitsBelowLS1Bit_Nonzero32(matches);
      hwy::Prefetch(&table.record(places[j].group * kGroupSlots + slot));
    }
    for (size_t j = 0; j < group; ++j)
      WithPadded(texts[i + j], [&](const auto& key) HWY_ATTR {
        out[i + j] = FindString(table, texts[i + j], key, places[j]);
      });
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
