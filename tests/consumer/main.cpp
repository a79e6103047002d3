#include <plumb/plumb.hpp>

/// Succeeds if matrices, arrays and the parallel loop (so OpenMP's flags, where found) arrived.
int main() {
  plumb::Array<float, 3> heads({2, 3, 4});
  heads.fill(0.0F);
  plumb::parallel_for(2, [&](plumb::Index head) {
    plumb::slice(heads, head).setConstant(static_cast<float>(head + 1));
  });
  const plumb::Matrix<float> sum = plumb::slice(heads, 0) + plumb::slice(heads, 1);
  return sum.sum() == 36.0F ? 0 : 1;
}
