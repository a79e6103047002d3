#include "plumb/claims/key_ball.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "plumb/kernels/reference.hpp"
#include "support/evidence.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::QkNorm;
using plumb::Vector;

namespace {

Matrix<double> read(const Matrix<double>& h, const Vector<double>& gain, double eps) {
  return plumb::RmsNorm<double>{gain, eps}.value(h);
}

Matrix<double> keys_of(const Matrix<double>& x, const Matrix<double>& weight) {
  return plumb::kernels::reference::product<double>(x, weight);
}

KeyPair<double> key_pair(const Matrix<double>& x, const Matrix<double>& weight) {
  const Matrix<double> keys = keys_of(x, weight);
  return {x.row(0).transpose(), x.row(1).transpose(), keys.row(0).transpose(),
          keys.row(1).transpose(), plumb::collapse::spectral_norm(weight)};
}

KeyBallOfSpikes::Input<double> spike_pair(const Matrix<double>& h, const Vector<double>& gain,
                                          const Matrix<double>& weight,
                                          const std::vector<Index>& channels, double eps) {
  auto pair = key_pair(read(h, gain, eps), weight);
  pair.weight_norm = plumb::collapse::spectral_norm(Matrix<double>(weight * gain.asDiagonal()));
  return {pair, h.row(0).transpose(), h.row(1).transpose(), channels, eps};
}

KeyBallNormalised::Input<double> normed_pair(const Matrix<double>& keys, const Vector<double>& gain,
                                             double eps) {
  const Matrix<double> normed = read(keys, gain, eps);
  return {keys.row(0).transpose(),
          keys.row(1).transpose(),
          normed.row(0).transpose(),
          normed.row(1).transpose(),
          gain,
          eps};
}

}  // namespace

TEST_CASE("key-ball: any pair", "[key-ball][property]") {
  check_property<KeyBall>("ball", [] {
    const Index d = *size();
    return key_pair(*activations<double>(2, d), *weights<double>(*size(), d));
  });
  check_property<KeyBallOfSpikes>("spikes", [] {
    const Index d = *size() + 2;
    Matrix<double> h = *gaussian<double>(2, d);
    h.col(0) *= *magnitude<double>(1, 1e4);
    return spike_pair(h, *gaussian_vector<double>(d), *weights<double>(*size(), d), {0, 1},
                      *magnitude<double>(1e-8, 1));
  });
  check_property<KeyBallNormalised>("normalised", [] {
    const Index n = *size();
    const Matrix<double> keys = *gaussian<double>(2, n) * *magnitude<double>(1e-3, 1e3);
    return normed_pair(keys, *gaussian_vector<double>(n), *magnitude<double>(1e-8, 1));
  });
}

TEST_CASE("key-ball: tight, broken, needs", "[key-ball][property]") {
  // The difference is along the top right singular vector of diag(3, 1).
  const Matrix<double> weight{{3, 0}, {0, 1}};
  check_tight<KeyBall>(key_pair(Matrix<double>{{1, 2}, {-4, 2}}, weight), 1 - 1e-12);
  // Antiparallel rests on one spike direction, and a key that reads what they differ in.
  const Vector<double> ones = Vector<double>::Ones(3);
  const Matrix<double> h{{10, 1, 0}, {10, -1, 0}}, rest{{0, 1, 0}};
  check_tight<KeyBallOfSpikes>(spike_pair(h, ones, rest, {0}, 0), 1 - 1e-12);
  // Equal rho: RMSNorm is a scale.
  check_tight<KeyBallNormalised>(
      normed_pair(Matrix<double>{{3, 1}, {1, 3}}, Vector<double>::Constant(2, -2), 0.5), 1 - 1e-12);

  auto turned = key_pair(Matrix<double>{{1, 2}, {1 + 1e-3, 2}}, weight);
  turned.key_b *= -1;  // as rotary turns it, at another position
  check_violated<KeyBall>(turned);
  auto unfolded = spike_pair(h, Vector<double>::Constant(3, 5), rest, {0}, 0);
  unfolded.pair.weight_norm = 1;  // the gain forgotten
  check_violated<KeyBallOfSpikes>(unfolded);
  auto raw = normed_pair(Matrix<double>{{300, 100}, {100, 300}}, Vector<double>::Ones(2), 0);
  raw.normed_a = raw.key_a;  // a norm that was left out
  raw.normed_b = raw.key_b;
  check_violated<KeyBallNormalised>(raw);

  check_vacuous<KeyBall>(key_pair(Matrix<double>::Ones(2, 2), weight), "read as one");
  check_vacuous<KeyBallOfSpikes>(spike_pair(h, ones, rest, {2}, 0), "zero on the spike channels");
  check_vacuous<KeyBallOfSpikes>(spike_pair(h, ones, rest, {0, 1, 2}, 0), "no others");
  check_vacuous<KeyBallNormalised>(
      normed_pair(Matrix<double>{{1, 1}, {1, 1}}, Vector<double>::Ones(2), 0.1), "equal");
  auto zero = normed_pair(Matrix<double>{{1, 1}, {0, 1}}, Vector<double>::Ones(2), 0);
  zero.key_b.setZero();
  check_vacuous<KeyBallNormalised>(zero, "a key is zero");

  plumb::Architecture a;
  a.qk_norm = QkNorm::per_head;
  CHECK(KeyBall::objection(a)->find("normalised") != std::string::npos);
  CHECK_FALSE(KeyBallNormalised::objection(a));
  a.qk_norm = QkNorm::none;
  CHECK_FALSE(KeyBall::objection(a));
  CHECK(KeyBallNormalised::objection(a)->find("not normalised") != std::string::npos);
  a.pre_norm = plumb::NormKind::dynamic_tanh;
  CHECK(KeyBallOfSpikes::objection(a)->find("dynamic_tanh") != std::string::npos);
}
