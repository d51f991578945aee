// The problem of the saxpy kernels: y = a * x + y for arrays of floats, in place, as BLAS has it.
//
// Out: y. Calls alternate between a and -a, so that y goes back and forth between two arrays and
// neither grows nor has to be restored between calls: numbers are small integers, every product and
// sum is exact, and so right answers are equal to the last bit, fused or not. All variants work on
// one y, which is restored untimed before each epoch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/kernel.h"

namespace headroom {

struct SaxpyProblem {
  // What the variants share and change, one after the other.
  struct Shared {
    Buffer<float> y;
    float a = 0;  // of the next call
    bool changed = true;
  };
  struct Input {
    Buffer<float> x, y;
    float a = 3;
    std::shared_ptr<Shared> shared;
  };
  using Output = Buffer<float>;

  struct Work {
    explicit Work(const Input& in) : input(&in), shared(in.shared.get()) {}
    // Once an epoch: until a call has run, there is nothing to restore.
    void refill(const Input& in) {
      if (!shared->changed) return;
      std::copy(in.y.begin(), in.y.end(), shared->y.begin());
      *shared = {std::move(shared->y), in.a, false};
    }
    // The factor of this call.
    float next() {
      shared->changed = true;
      return std::exchange(shared->a, -shared->a);
    }
    // After an even number of calls y is what it was; one more, then, so that what is compared has
    // been changed.
    void answer(Buffer<float>& out) const {
      const bool odd = shared->a != input->a;
      for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = shared->y[i] + (odd ? 0 : input->a * input->x[i]);
    }
    const Input* input;
    Shared* shared;
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<float>(setting.n), Buffer<float>(setting.n)};
    FastRng fast(rng());
    const auto number = [](std::uint64_t bits) {
      return static_cast<float>((bits & 127) + 1) * ((bits & 128) != 0 ? 1.0f : -1.0f);
    };
    for (std::size_t i = 0; i < setting.n; ++i) {
      const std::uint64_t bits = fast();
      in.x[i] = number(bits);
      in.y[i] = number(bits >> 8);
    }
    in.shared = std::make_shared<Shared>(Shared{Buffer<float>(setting.n)});
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.x.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

}  // namespace headroom
