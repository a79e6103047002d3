#include "plumb/model/affine.hpp"

#include <catch2/catch.hpp>

#include "support/close.hpp"
#include "support/generators.hpp"

using namespace plumb;
using namespace plumb::test;

TEMPLATE_TEST_CASE("an affine map is the product, and a bias on each row", "", float, double) {
  using T = TestType;
  property("within the rounding of the sum", [] {
    const Index tokens = *size(5), in = *size(), out = *size();
    const auto x = *activations<T>(tokens, in);
    const auto weight = *weights<T>(out, in);
    const auto bias = *bounded_vector<T>(out);
    const Matrix<T> plain = kernels::reference::product<T>(x, weight);
    const Matrix<T> y = affine<T>("f", x, weight, bias);
    for (Index t = 0; t < tokens; ++t) {
      const RowVector<T> want = plain.row(t) + bias.transpose();
      RC_ASSERT(difference(y.row(t), want) == "");
    }
    RC_ASSERT(difference(affine<T>("f", x, weight, {}), plain) == "");
  });
}

TEST_CASE("an affine map throws when x or the bias does not fit, naming who asked") {
  const Matrix<double> x = Matrix<double>::Ones(2, 3), weight = Matrix<double>::Ones(4, 3);
  CHECK_NOTHROW(affine<double>("f", x, weight, Vector<double>::Ones(4)));
  CHECK_THROWS_WITH(affine<double>("f", x, weight, Vector<double>::Ones(3)),
                    "f: size of a bias is 3, expected 4");
  CHECK_THROWS_WITH(affine<double>("f", Matrix<double>(2, 4), weight, {}),
                    "f: channels of x is 4, expected 3");
  CHECK_THROWS_AS(affine<double>("f", x, weight, Vector<double>::Ones(1)), shape_error);
}
