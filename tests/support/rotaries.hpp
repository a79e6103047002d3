#pragma once

#include "plumb/model/rotary.hpp"
#include "support/generators.hpp"

namespace plumb::test {

/// Any base and either pairing, up to eight planes.
inline Rotary draw_rotary() {
  const bool split = *rc::gen::arbitrary<bool>();
  return {2 * *size(8), *magnitude<double>(10, 1e6),
          split ? RotaryPairing::half_split : RotaryPairing::interleaved};
}

}  // namespace plumb::test
