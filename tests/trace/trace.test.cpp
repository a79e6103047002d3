#include "plumb/trace/trace.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "support/close.hpp"
#include "support/golden.hpp"

using plumb::Checkpoint;
using plumb::Decoder;
using plumb::Index;
using plumb::Matrix;
using plumb::Sequence;
using plumb::TokenIds;
using plumb::Trace;
namespace site = plumb::site;

namespace {

struct Fixture {
  std::string name;
  Checkpoint checkpoint;
};

const std::vector<Fixture>& fixtures() {
  static const auto all = [] {
    std::vector<Fixture> list;
    for (const auto& one : plumb::test::golden_fixtures()) {
      list.push_back({one.name, Checkpoint::open(one.model)});
    }
    return list;
  }();
  return all;
}

/// Can a trace be given this tap?
template <class T, class Tap>
concept Traceable = requires(const Decoder<T>& model, const TokenIds& ids, Tap tap) {
  plumb::trace(model, ids, plumb::TraceOptions{}, tap);
};

/// The same ids in each test, whatever T is.
template <class T>
TokenIds random_ids(const Decoder<T>& model, std::size_t tokens) {
  std::mt19937 engine(7);
  TokenIds ids;
  while (ids.size() < tokens) {
    ids.push_back(static_cast<plumb::TokenId>(
        engine() % static_cast<unsigned>(model.architecture().vocab_size)));
  }
  return ids;
}

template <class T>
bool identical(const Matrix<T>& a, const Matrix<T>& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() && a == b;
}

template <class T>
bool identical(const std::vector<Matrix<T>>& a, const std::vector<Matrix<T>>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return identical(x, y); });
}

/// The rows of `got` and `want` differ by at most `bound` times the largest entry of the row.
template <class T>
double row_error(const Matrix<T>& got, const Matrix<T>& want) {
  plumb::test::GoldenError error;
  error.compare("rows", got, Matrix<double>(want.template cast<double>()));
  return error.value;
}

/// Rows of a batch that goes through all layers, against the same rows in another batch: products
/// of up to 176 terms are summed in another order, in up to 6 layers one after the other.
template <class T>
inline constexpr double kBatchBound = 0x1p10 * plumb::test::unit<T>;

}  // namespace

TEMPLATE_TEST_CASE("a trace has every activation in its documented shape", "", float, double) {
  for (const auto& fixture : fixtures()) {
    INFO(fixture.name);
    const Decoder<TestType> model(fixture.checkpoint);
    const auto& a = model.architecture();
    const auto ids = random_ids(model, 5);
    const auto trace = plumb::trace(model, ids);
    CHECK(trace.ids == ids);
    CHECK(trace.tokens() == 5);
    REQUIRE(trace.layers() == a.layers);
    CHECK(trace.architecture.hidden_size == a.hidden_size);
    const auto is_stream = [&](const Matrix<TestType>& m) {
      return m.rows() == 5 && m.cols() == a.hidden_size;
    };
    const auto layers = static_cast<std::size_t>(a.layers);
    REQUIRE(trace.residual.size() == layers + 1);
    REQUIRE(trace.attention_write.size() == layers);
    REQUIRE(trace.feed_forward_write.size() == layers);
    REQUIRE(trace.attention.size() == layers);
    CHECK(std::all_of(trace.residual.begin(), trace.residual.end(), is_stream));
    CHECK(std::all_of(trace.attention_write.begin(), trace.attention_write.end(), is_stream));
    CHECK(std::all_of(trace.feed_forward_write.begin(), trace.feed_forward_write.end(), is_stream));
    CHECK(is_stream(trace.final_norm));
    for (const auto& maps : trace.attention) {
      CHECK(std::vector<std::size_t>(maps.shape().begin(), maps.shape().end()) ==
            std::vector<std::size_t>{static_cast<std::size_t>(a.heads), 5, 5});
    }
    CHECK(trace.logits.rows() == 5);
    CHECK(trace.logits.cols() == a.vocab_size);
  }
}

TEMPLATE_TEST_CASE("a trace is what the decoder computes, bit for bit", "", float, double) {
  for (const auto& fixture : fixtures()) {
    INFO(fixture.name);
    const Decoder<TestType> model(fixture.checkpoint);
    const auto ids = random_ids(model, 9);
    const auto sequence = Sequence::causal(9);
    const auto trace = plumb::trace(model, ids, sequence);
    CHECK(identical(trace.residual.front(), model.embed(ids)));
    for (Index l = 0; l < trace.layers(); ++l) {
      const auto layer = static_cast<std::size_t>(l);
      CHECK(identical(trace.residual[layer + 1],
                      model.layer(l).value(trace.residual[layer], sequence)));
      const Matrix<TestType> middle = trace.residual[layer] + trace.attention_write[layer];
      CHECK(identical(trace.middle(l), middle));
      const bool parallel = model.architecture().parallel_residual;
      CHECK(identical(trace.before_feed_forward(l), parallel ? trace.residual[layer] : middle));
      CHECK(identical(trace.residual[layer + 1],
                      Matrix<TestType>(middle + trace.feed_forward_write[layer])));
    }
    CHECK(identical(trace.final_norm, model.final_norm().value(trace.residual.back())));
    CHECK(identical(trace.final_norm, model.forward(ids)));
    CHECK(identical(trace.logits, model.head(trace.final_norm)));
    CHECK(identical(plumb::trace(model, ids).residual, trace.residual));
  }
}

TEMPLATE_TEST_CASE("what is not asked for is left out, and the rest stays the same bit for bit", "",
                   float, double) {
  for (const auto& fixture : fixtures()) {
    INFO(fixture.name);
    const Decoder<TestType> model(fixture.checkpoint);
    const auto ids = random_ids(model, 9);
    const auto full = plumb::trace(model, ids);
    for (const bool attention : {false, true}) {
      for (const bool logits : {false, true}) {
        INFO("attention " << attention << ", logits " << logits);
        const auto trace = plumb::trace(model, ids, {.attention = attention, .logits = logits});
        CHECK(trace.attention.empty() != attention);
        CHECK((trace.logits.size() == 0) != logits);
        if (attention) CHECK(trace.attention == full.attention);
        if (logits) CHECK(identical(trace.logits, full.logits));
        CHECK(identical(trace.residual, full.residual));
        CHECK(identical(trace.attention_write, full.attention_write));
        CHECK(identical(trace.feed_forward_write, full.feed_forward_write));
        CHECK(identical(trace.final_norm, full.final_norm));
        CHECK(trace.layers() == full.layers());
      }
    }
  }
}

namespace {

/// The sequence with positions that the model has vectors for, over and over where it must.
Sequence within_context(Sequence sequence, const plumb::Architecture& a) {
  if (!a.learned_positions) return sequence;
  for (auto& position : sequence.positions) position %= a.context_length;
  return sequence;
}

}  // namespace

TEMPLATE_TEST_CASE("rows of attention maps are weights that sum to 1 over what the row sees", "",
                   float, double) {
  constexpr Index tokens = 300;  // three strips of queries
  Sequence window = Sequence::causal(tokens);
  for (Index t = 0; t < tokens; ++t) {
    window.visible[static_cast<std::size_t>(t)].first = std::max<Index>(0, t - 17);
  }
  for (const auto& fixture : fixtures()) {
    INFO(fixture.name);
    const Decoder<TestType> model(fixture.checkpoint);
    const auto ids = random_ids(model, tokens);
    for (const auto& sequence : {Sequence::causal(tokens), window, Sequence::alone(tokens)}) {
      const auto trace = plumb::trace(model, ids, within_context(sequence, model.architecture()));
      double off = 0;
      bool covered = true, weights = true;
      for (const auto& maps : trace.attention) {
        for (Index head = 0; head < model.architecture().heads; ++head) {
          const auto map = plumb::slice(maps, head);
          for (Index t = 0; t < tokens; ++t) {
            const auto row = map.row(t);
            const auto& seen = sequence.keys(t);
            const auto visible = row.segment(seen.first, seen.last - seen.first);
            covered =
                covered && row.head(seen.first).isZero(0) && row.tail(tokens - seen.last).isZero(0);
            weights = weights && (visible.array() >= 0).all() && (visible.array() <= 1).all();
            off = std::max(off, std::abs(visible.template cast<double>().sum() - 1));
          }
        }
      }
      CHECK(covered);
      CHECK(weights);
      // The sum of up to `tokens` exponentials, a quotient each, and the sum here.
      CHECK(off <= plumb::test::gamma<TestType>(2 * tokens + 2));
    }
  }
}

TEMPLATE_TEST_CASE("attention maps are the softmax of rotated queries and keys", "", float,
                   double) {
  constexpr Index tokens = 150;  // two strips of queries
  Sequence sequence = Sequence::causal(tokens);
  for (Index t = 20; t < tokens; ++t) sequence.visible[static_cast<std::size_t>(t)].first = t - 20;
  for (const auto& fixture : fixtures()) {
    INFO(fixture.name);
    const Decoder<TestType> model(fixture.checkpoint);
    const auto& a = model.architecture();
    std::vector<Matrix<TestType>> queries, keys;
    const auto watch = plumb::taps{[&](Index, site::queries at, Matrix<TestType>& q) {
                                     if (at.stage == site::Stage::rotated) queries.push_back(q);
                                   },
                                   [&](Index, site::keys at, Matrix<TestType>& k) {
                                     if (at.stage == site::Stage::rotated) keys.push_back(k);
                                   }};
    const auto trace =
        plumb::trace(model, random_ids(model, tokens), within_context(sequence, a), {}, watch);
    REQUIRE(queries.size() == static_cast<std::size_t>(a.layers));
    double worst = 0, allowed = 0;
    for (std::size_t l = 0; l < queries.size(); ++l) {
      for (Index head = 0; head < a.heads; ++head) {
        const Matrix<double> q =
            queries[l].middleCols(head * a.head_dim, a.head_dim).template cast<double>();
        const Matrix<double> k =
            keys[l].middleCols(a.kv_head(head) * a.head_dim, a.head_dim).template cast<double>();
        Matrix<double> dots = q * k.transpose() * a.attention_scale;
        if (a.attention_soft_cap) {
          dots = *a.attention_soft_cap * (dots.array() / *a.attention_soft_cap).tanh();
        }
        const auto map = plumb::slice(trace.attention[l], head);
        for (Index t = 0; t < tokens; ++t) {
          auto seen = sequence.keys(t);
          const Index window = a.window_of(static_cast<Index>(l));
          if (window > 0) seen.first = std::max(seen.first, t - window + 1);
          const Index count = seen.last - seen.first;
          const plumb::RowVector<double> logits = dots.row(t).segment(seen.first, count);
          plumb::RowVector<double> expected = (logits.array() - logits.maxCoeff()).exp();
          expected /= expected.sum();
          const double off =
              (map.row(t).segment(seen.first, count).template cast<double>() - expected)
                  .cwiseAbs()
                  .maxCoeff();
          // Logits are off by head_dim + 4 roundings of |q||k| scale at most, on both sides, which
          // shifts a weight by no more than twice that; a soft cap does not magnify it; then some
          // roundings of its own.
          const double size = q.row(t).norm() * k.rowwise().norm().maxCoeff() * a.attention_scale;
          const double allowance = plumb::test::gamma<TestType>(
              plumb::test::roundings(a.head_dim) * 4 * (1 + size) + static_cast<double>(count) + 4);
          if (off / allowance > worst / (allowed > 0 ? allowed : 1) || allowed == 0) {
            worst = off;
            allowed = allowance;
          }
        }
      }
    }
    INFO("off by " << worst << " where " << allowed << " is allowed");
    CHECK(worst <= allowed);
  }
}

TEMPLATE_TEST_CASE("tokens that see only themselves are texts of one token", "", float, double) {
  for (const auto& fixture : fixtures()) {
    INFO(fixture.name);
    const Decoder<TestType> model(fixture.checkpoint);
    const auto ids = random_ids(model, 11);
    const auto batch = plumb::trace(model, ids, Sequence::alone(11));
    for (Index t = 0; t < 11; ++t) {
      const auto single = plumb::trace(model, {ids[static_cast<std::size_t>(t)]});
      const auto check_row = [&](const Matrix<TestType>& in_batch, const Matrix<TestType>& alone) {
        CHECK(row_error<TestType>(in_batch.row(t), alone) <= kBatchBound<TestType>);
      };
      for (std::size_t l = 0; l < batch.residual.size(); ++l) {
        check_row(batch.residual[l], single.residual[l]);
      }
      for (std::size_t l = 0; l < batch.attention_write.size(); ++l) {
        check_row(batch.attention_write[l], single.attention_write[l]);
        check_row(batch.feed_forward_write[l], single.feed_forward_write[l]);
        for (Index head = 0; head < model.architecture().heads; ++head) {
          CHECK(plumb::slice(batch.attention[l], head)(t, t) == 1);
        }
      }
      check_row(batch.final_norm, single.final_norm);
      check_row(batch.logits, single.logits);
    }
  }
}

TEMPLATE_TEST_CASE("the beginning of a text does not depend on its end", "", float, double) {
  for (const auto& fixture : fixtures()) {
    INFO(fixture.name);
    const Decoder<TestType> model(fixture.checkpoint);
    const auto ids = random_ids(model, 140);
    const TokenIds beginning(ids.begin(), ids.begin() + 60);
    const auto sequence = within_context(Sequence::causal(140), model.architecture());
    const auto whole = plumb::trace(model, ids, sequence), part = plumb::trace(model, beginning);
    for (std::size_t l = 0; l < whole.residual.size(); ++l) {
      CHECK(row_error<TestType>(whole.residual[l].topRows(60), part.residual[l]) <=
            kBatchBound<TestType>);
    }
  }
}

TEMPLATE_TEST_CASE("a tap of one's own sees each matrix after it was recorded", "", float, double) {
  const Decoder<TestType> model(fixtures().front().checkpoint);
  const auto ids = random_ids(model, 6);
  const auto before = plumb::trace(model, ids);
  int calls = 0;
  const auto silence = [&](Index layer, site::attention_write, Matrix<TestType>& write) {
    ++calls;
    if (layer == 0) write.setZero();
  };
  for (const bool attention : {false, true}) {
    calls = 0;
    const auto trace = plumb::trace(model, ids, {.attention = attention}, silence);
    CHECK(calls == model.architecture().layers);
    CHECK(identical(trace.residual[0], before.residual[0]));
    CHECK(identical(trace.attention_write[0], before.attention_write[0]));
    CHECK_FALSE(identical(trace.feed_forward_write[0], before.feed_forward_write[0]));
    CHECK(identical(trace.residual[1],
                    Matrix<TestType>(trace.residual[0] + trace.feed_forward_write[0])));
  }
}

TEMPLATE_TEST_CASE("a tap that takes no site of the pass is refused when it is compiled", "", float,
                   double) {
  using Watch = void (*)(Index, site::residual, Matrix<TestType>&);
  using OtherScalar = void (*)(Index, site::residual, Matrix<long double>&);
  using NoLayer = void (*)(site::residual, Matrix<TestType>&);
  CHECK(Traceable<TestType, plumb::NoTap>);
  CHECK(Traceable<TestType, Watch>);
  CHECK_FALSE(Traceable<TestType, OtherScalar>);
  CHECK_FALSE(Traceable<TestType, NoLayer>);
}

TEMPLATE_TEST_CASE("a trace of what is no text is refused", "", float, double) {
  const Decoder<TestType> model(fixtures().front().checkpoint);
  const auto vocabulary = static_cast<plumb::TokenId>(model.architecture().vocab_size);
  CHECK_NOTHROW(plumb::trace(model, {0, vocabulary - 1}));
  CHECK_THROWS_AS(plumb::trace(model, {0, vocabulary}), plumb::index_error);
  CHECK_THROWS_AS(plumb::trace(model, {-1}), plumb::index_error);
  CHECK_THROWS_AS(plumb::trace(model, TokenIds{}), plumb::shape_error);
  CHECK_THROWS_AS(plumb::trace(model, {0, 1}, Sequence::causal(3)), plumb::shape_error);
  CHECK_THROWS_AS(plumb::trace(model, {0, 1}, Sequence::causal(1)), plumb::shape_error);
  const auto trace = plumb::trace(model, {0, 1});
  CHECK_THROWS_AS(trace.middle(-1), plumb::index_error);
  CHECK_THROWS_AS(trace.middle(trace.layers()), plumb::index_error);
  CHECK_THROWS_AS(trace.before_feed_forward(-1), plumb::index_error);
  CHECK_THROWS_AS(trace.before_feed_forward(trace.layers()), plumb::index_error);
}
