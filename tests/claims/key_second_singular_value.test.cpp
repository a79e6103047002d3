#include "plumb/claims/key_second_singular_value.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <utility>
#include <vector>

#include "plumb/kernels/reference.hpp"
#include "plumb/model/norm.hpp"
#include "plumb/model/planted.hpp"
#include "support/evidence.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::QkNorm;
using plumb::Vector;

namespace {

KeyRows<double> key_rows(const Matrix<double>& x, Matrix<double> weight,
                         std::vector<Index> channels = {0}) {
  KeyRows<double> in;
  in.rows = x;
  in.keys = plumb::kernels::reference::product<double>(x, weight);
  in.weight_norm = plumb::collapse::spectral_norm(weight);
  in.direction = x.row(0).transpose();
  for (const Index k : channels) weight.col(k).setZero();
  in.rest_norm = plumb::collapse::spectral_norm(weight);
  in.channels = std::move(channels);
  return in;
}

/// Tokens of one spike, some of them exactly so.
KeyRows<double> draw_key_rows() {
  const Index m = *size(6) + 1, d = *size() + 2, head = *size(8) + 1;
  Matrix<double> x = *gaussian<double>(m, d);
  x.col(0).array() += *bounded<double>(50);
  return key_rows(x, *weights<double>(head, d));
}

}  // namespace

TEST_CASE("key-second-singular-value: any rows", "[key-second-singular-value][property]") {
  check_property<KeySingularValue>("every i", [] {
    auto in = draw_key_rows();
    const Index last = std::min({in.keys.rows(), in.keys.cols(), in.rows.cols()});
    in.index = *rc::gen::inRange<Index>(1, last + 1);
    return in;
  });
  check_property<KeySecondByDirection>("any direction", [] {
    auto in = draw_key_rows();
    in.direction += *magnitude<double>(1e-3, 1) * *gaussian_vector<double>(in.direction.size());
    return in;
  });
  check_property<KeySingularValueOffSpikes>("off the spike", draw_key_rows);
  property("the norms off C are at most those of all", [] {
    const auto in = draw_key_rows();
    const Matrix<double> rest = KeySingularValueOffSpikes::rest<double>(in);
    RC_ASSERT(KeySingularValueOffSpikes::rhs<double>(in) <=
              in.weight_norm * rest.norm() * (1 + 1e-12));
    // The direction's bound on sigma_2(X) without W_K.
    auto plain = in;
    plain.weight_norm = 1;
    RC_ASSERT(plumb::claims::detail::singular_value(in.rows, 2) <=
              KeySecondByDirection::rhs<double>(plain) * (1 + 1e-12));
  });
}

TEST_CASE("key-second-singular-value: a bias on keys is subtracted",
          "[key-second-singular-value][property]") {
  const plumb::Decoder<double> model(plumb::planted::make().checkpoint);
  const auto trace = plumb::trace(model, plumb::TokenIds{0, 5, 1, 7, 8});
  auto run = plumb::run_layer(model, trace, 2);
  const auto judged = [&] {
    std::vector<double> sides;
    KeySingularValue::sites(run, [&](const KeyRows<double>& in, const Where& where) {
      const auto finding = judge<KeySingularValue>(in, where);
      INFO(describe(finding));
      CHECK(finding.verdict == Verdict::holds);
      sides.push_back(finding.lhs);
    });
    return sides;
  };
  const auto plain = judged();
  const Vector<double> bias = 100 * Vector<double>::Ones(run.weights.attention.key.rows());
  run.weights.attention.key_bias = bias;
  run.keys[0].rowwise() += bias.transpose();
  const auto biased = judged();
  REQUIRE(biased.size() == plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    CHECK(biased[i] == Approx(plain[i]).margin(1e-12));
  }
}

TEST_CASE("key-second-singular-value: tight, broken, vacuous",
          "[key-second-singular-value][property]") {
  const Matrix<double> identity = Matrix<double>::Identity(3, 3);
  const Matrix<double> spikes{{50, 1, 0}, {50, -1, 0}, {50, 1, 0}, {50, -1, 0}};
  auto isometry = key_rows(spikes, identity);
  isometry.direction = Vector<double>::Unit(3, 0);
  check_tight<KeySingularValue>(isometry, 1 - 1e-12);
  check_tight<KeySecondByDirection>(isometry, 1 - 1e-6);
  check_tight<KeySingularValueOffSpikes>(isometry, 1 - 1e-6);

  // A norm on keys makes little differences large; so do keys of several heads taken together with
  // the norm of one.
  auto normed = key_rows(Matrix<double>{{1e-3, 0, 0}, {0, 1e-3, 0}}, identity);
  normed.keys = plumb::RmsNorm<double>{Vector<double>::Ones(3), 0}.value(normed.keys);
  check_violated<KeySingularValue>(normed);
  check_violated<KeySecondByDirection>(normed);
  auto biased = key_rows(spikes, identity);
  biased.keys.topRows(2).col(2).array() += 30;  // a bias on some tokens: what rotary does to one
  check_violated<KeySingularValueOffSpikes>(biased);

  check_vacuous<KeySingularValue>(key_rows(Matrix<double>::Ones(1, 3), identity), "fewer than two");
  check_vacuous<KeySingularValue>(key_rows(Matrix<double>::Ones(3, 3), identity), "no more");
  check_vacuous<KeySecondByDirection>(key_rows(Matrix<double>::Ones(3, 3), identity), "along");
  check_vacuous<KeySingularValueOffSpikes>(key_rows(spikes, identity, {}), "no spike channels");
  check_vacuous<KeySingularValueOffSpikes>(key_rows(Matrix<double>{{1, 0, 0}, {2, 0, 0}}, identity),
                                           "nothing is left");
  check_vacuous<KeySecondByDirection>(key_rows(spikes.leftCols(1), Matrix<double>{{2}}, {}),
                                      "no such singular value");
  plumb::Architecture a;
  a.qk_norm = QkNorm::all_heads;
  CHECK(KeySingularValue::objection(a)->find("normalised") != std::string::npos);
}
