#include "plumb/sink/self_sink.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "support/close.hpp"
#include "support/generators.hpp"
#include "support/golden.hpp"

using namespace plumb;
using namespace plumb::sink;
using namespace plumb::test;

namespace {

Attention<double> draw_block(Engine& engine, RotaryPairing pairing) {
  Attention<double> block;
  block.heads = 4;
  block.kv_heads = 2;
  block.head_dim = 6;
  block.scale = 0.4;
  block.query = draw_gaussian<double>(engine, 24, 10);
  block.key = draw_gaussian<double>(engine, 12, 10);
  block.values = draw_gaussian<double>(engine, 12, 10);
  block.output = draw_gaussian<double>(engine, 10, 24);
  block.rotary = {6, 100.0, pairing};
  return block;
}

}  // namespace

TEST_CASE("self logits are the same at every position, and rivals stay below their bounds") {
  Engine engine(8);
  Index rivals = 0;
  double tightest = 0;
  for (const auto pairing : {RotaryPairing::half_split, RotaryPairing::interleaved}) {
    const auto block = draw_block(engine, pairing);
    const Matrix<double> x = draw_gaussian<double>(engine, 7, 10);
    const auto found = self_sinks<double>(block, x);
    CHECK(found.tokens.size() == 7);
    // The same rows as texts: any order, any distance. Logits come by at a tap.
    for (int trial = 0; trial < 200; ++trial) {
      auto sequence = Sequence::causal(7);
      std::vector<Index> order{0, 1, 2, 3, 4, 5, 6};
      std::shuffle(order.begin(), order.end(), engine);
      for (auto& p : sequence.positions) p = std::uniform_int_distribution<Index>(0, 500)(engine);
      const Matrix<double> text = x(order, Eigen::all);
      const auto check = [&](Index, site::logits at, Matrix<double>& strip) {
        for (Index t = 0; t < strip.rows(); ++t) {
          const Index row = order[static_cast<std::size_t>(t)];
          const double self = found.self(row, at.head), rival = found.rival(row, at.head);
          CHECK(std::abs(strip(t, t) - self) <= 1e-12 * (std::abs(found.repeat(row, at.head)) + 1));
          CHECK(self <= found.repeat(row, at.head) * (1 + 1e-12));
          for (Index j = 0; j < t; ++j) {
            CHECK(strip(t, j) <= rival * (1 + 1e-12));
            tightest = std::max(tightest, strip(t, j) / rival);
            ++rivals;
          }
        }
      };
      block.value(text, sequence, check);
    }
  }
  WARN(rivals << " rivals, tightest logit / bound " << tightest);
  CHECK(tightest > 0.9);
}

TEST_CASE("a rival whose planes are aligned attains the bound") {
  Engine engine(9);
  auto block = draw_block(engine, RotaryPairing::half_split);
  block.heads = block.kv_heads = 1;
  block.query = Matrix<double>::Identity(6, 6);
  block.key = Matrix<double>::Identity(6, 6);
  block.values = block.output = Matrix<double>::Identity(6, 6);
  Matrix<double> x = draw_gaussian<double>(engine, 2, 6);
  x.row(1) = 2 * x.row(0);
  const auto found = self_sinks<double>(block, x, {0});
  CHECK(found.self(0, 0) == Approx(0.4 * x.row(0).squaredNorm()));
  CHECK(found.rival(0, 0) == Approx(0.4 * 2 * x.row(0).squaredNorm()));
  CHECK(found.repeat(0, 0) == Approx(found.self(0, 0)));
  CHECK(found.margin(0, 0) == Approx(-0.4 * x.row(0).squaredNorm()));
}

TEST_CASE("a token that beats every other in its plane is a proven self-sink") {
  Attention<double> block;
  block.heads = block.kv_heads = 1;
  block.head_dim = 4;
  block.scale = 0.5;
  block.query = block.key = block.values = block.output = Matrix<double>::Identity(4, 4);
  block.rotary = {4, 1e4, RotaryPairing::half_split};
  Matrix<double> x = Matrix<double>::Zero(3, 4);
  x(0, 0) = 5;  // plane 0
  x(1, 1) = 2;  // plane 1
  x(2, 3) = 1;  // plane 1
  const auto found = self_sinks<double>(block, x);
  CHECK(found.self(0, 0) == 12.5);
  CHECK(found.rival(0, 0) == 0);
  CHECK(found.margin(0, 0) == 12.5);
  CHECK(guaranteed_keys(found.margin(0, 0), 0.9) > 1e4);
  CHECK(found.margin(1, 0) == 1);
  CHECK(std::isinf(self_sinks<double>(block, x.topRows(1)).rival(0, 0)));
}

TEST_CASE("of a checkpoint's vocabulary: the self logits of a text, at all its positions") {
  for (const auto& fixture : golden_fixtures()) {
    INFO(fixture.name);
    const Decoder<double> model(Checkpoint::open(fixture.model));
    const auto& a = model.architecture();
    if (a.learned_positions) {
      CHECK_THROWS_AS(self_sinks(model, 0), shape_error);
      continue;
    }
    const auto ids = read_golden(fixture.golden, a).ids;
    const auto found = self_sinks(model, 0);
    double error = 0, excess = 0;
    model.forward(ids, [&](Index layer, site::logits at, Matrix<double>& strip) {
      if (layer != 0) return;
      for (Index i = 0; i < strip.rows(); ++i) {
        const Index t = at.first_query + i, id = ids[static_cast<std::size_t>(t)];
        const double size = 1 + found.repeat(id, at.head);
        error = std::max(error, std::abs(strip(i, t) - found.self(id, at.head)) / size);
        for (Index j = 0; j < t; ++j) {
          const double bound = ids[static_cast<std::size_t>(j)] == id ? found.repeat(id, at.head)
                                                                      : found.rival(id, at.head);
          excess = std::max(excess, (strip(i, j) - bound) / size);
        }
      }
    });
    CHECK(error <= 1e-12);
    CHECK(excess <= 1e-12);
    // A later layer, for a token that sees itself only.
    const auto later = self_sinks(model, 1, {ids[0]});
    double first = 0;
    model.forward({ids[0]}, [&](Index layer, site::logits at, Matrix<double>& strip) {
      if (layer == 1 && at.head == 0) first = strip(0, 0);
    });
    CHECK(later.self(0, 0) == Approx(first).epsilon(1e-12));
  }
}

TEST_CASE("the gain amplifies what is collinear with it, whatever the signs") {
  const Vector<double> gain{{1, 2, -3, 0.5}};
  const double width = 2;
  const Vector<double> along = width * gain.cwiseAbs().normalized();
  Vector<double> signs = along;
  signs[1] = -signs[1];
  for (const auto& u : {along, signs}) {
    const auto c = gain_collinearity(u, gain);
    CHECK(c->cosine == Approx(1));
    CHECK(c->energy == Approx(c->collinear));
    CHECK(c->collinear == Approx(4 * (1 + 16 + 81 + 0.0625) / 14.25));
    CHECK(c->flat < c->collinear);
    CHECK(c->collinear < c->ceiling);
  }
  const auto flat = gain_collinearity(Vector<double>::Ones(4), gain);
  CHECK(flat->energy == Approx(flat->flat));
  const Vector<double> hot{{0, 0, 2, 0}};
  CHECK(gain_collinearity(hot, gain)->energy == Approx(36));
  CHECK(gain_collinearity(hot, gain)->ceiling == Approx(36));
  const auto constant = gain_collinearity(hot, Vector<double>::Constant(4, 3));
  CHECK(constant->flat == Approx(constant->collinear));
  CHECK_FALSE(gain_collinearity(Vector<double>::Zero(4), gain));
  CHECK_FALSE(gain_collinearity(hot, Vector<double>::Zero(4)));
  CHECK_THROWS_AS(gain_collinearity(hot, Vector<double>::Ones(3)), shape_error);
}

TEST_CASE("rows and layers that are not there throw") {
  Engine engine(1);
  const auto block = draw_block(engine, RotaryPairing::half_split);
  CHECK_THROWS_AS(self_sinks<double>(block, Matrix<double>::Ones(3, 10), {3}), index_error);
  CHECK_THROWS_AS(self_sinks<double>(block, Matrix<double>::Ones(3, 9)), shape_error);
  const Decoder<double> model(Checkpoint::open(bundled_golden().model));
  CHECK_THROWS_AS(self_sinks(model, 6), index_error);
}
