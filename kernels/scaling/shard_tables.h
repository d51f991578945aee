// Tables that answer for the rules of shard_rules.h, quicker.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/buffer.h"
#include "scaling/shard_rules.h"

namespace headroom::shards {

// The circle of a ring, cut into equal pieces, at least 4 for a point. Most have no point in them,
// so that all their places belong to one shard; others have one, where the shard changes; the few
// that have more say where among the points to begin.
class Pieces {
 public:
  // Eight bytes, one load: up to `split` a place belongs to `left`, beyond it to `right`. Where
  // left is kNone, split is the number of the piece's first point.
  struct Piece {
    std::uint32_t split;
    Shard left, right;
  };

  explicit Pieces(const Ring& ring)
      : points_(ring.points().size() + 1),
        bits_(std::bit_width(4 * ring.points().size() - 1)),
        pieces_(std::size_t{1} << bits_) {
    const std::span<const Point> from = ring.points();
    std::copy(from.begin(), from.end(), points_.begin());
    points_[from.size()] = {~std::uint32_t{0}, from.front().shard};  // beyond the last the first
    std::size_t next = 0;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      const std::size_t first = next;
      while (next < from.size() && piece_of(points_[next].at) == i) ++next;
      if (next - first == 0)
        pieces_[i] = {~std::uint32_t{0}, points_[first].shard, points_[first].shard};
      else if (next - first == 1)
        pieces_[i] = {points_[first].at, points_[first].shard, points_[next].shard};
      else
        pieces_[i] = {static_cast<std::uint32_t>(first), kNone, kNone};
    }
  }
  Shard owner(std::uint32_t place) const {
    const Piece& piece = pieces_[piece_of(place)];
    if (piece.left == kNone) [[unlikely]]
      return points_[on_from(piece.split, place)].shard;
    return place <= piece.split ? piece.left : piece.right;
  }
  // The first point at `place` or after it, from point `at` on.
  std::size_t on_from(std::size_t at, std::uint32_t place) const {
    while (points_[at].at < place) ++at;
    return at;
  }
  std::size_t piece_of(std::uint32_t place) const { return place >> (32 - bits_); }
  int bits() const { return bits_; }
  std::span<const Piece> pieces() const { return {pieces_.data(), pieces_.size()}; }
  std::size_t bytes() const {
    return points_.size() * sizeof(Point) + pieces_.size() * sizeof(Piece);
  }

 private:
  Buffer<Point> points_;
  int bits_;
  Buffer<Piece> pieces_;
};

// By a mask of eight lanes: those that are set, in order, and zeros.
inline constexpr std::array<std::array<std::uint8_t, 8>, 256> kLanesFirst = [] {
  std::array<std::array<std::uint8_t, 8>, 256> all{};
  for (std::size_t mask = 0; mask < all.size(); ++mask) {
    std::size_t next = 0;
    for (std::uint8_t lane = 0; lane < 8; ++lane)
      if ((mask >> lane & 1) != 0) all[mask][next++] = lane;
  }
  return all;
}();

}  // namespace headroom::shards
