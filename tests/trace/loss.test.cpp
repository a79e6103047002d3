#include "plumb/trace/loss.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <rapidcheck.h>
#include <rapidcheck/catch.h>
#include <string>
#include <vector>

#include "plumb/trace/trace.hpp"
#include "support/close.hpp"
#include "support/generators.hpp"
#include "support/golden.hpp"

using plumb::Index;
using plumb::Matrix;
using plumb::TokenIds;

namespace {

/// The definition, term by term.
template <class T>
double naive_loss(const Matrix<T>& logits, const TokenIds& ids) {
  long double total = 0;
  for (Index t = 0; t + 1 < logits.rows(); ++t) {
    long double greatest = -std::numeric_limits<long double>::infinity(), sum = 0;
    for (Index v = 0; v < logits.cols(); ++v) {
      greatest = std::max(greatest, static_cast<long double>(logits(t, v)));
    }
    for (Index v = 0; v < logits.cols(); ++v) {
      sum += std::exp(static_cast<long double>(logits(t, v)) - greatest);
    }
    const auto next = static_cast<Index>(ids[static_cast<std::size_t>(t) + 1]);
    total -= static_cast<long double>(logits(t, next)) - greatest - std::log(sum);
  }
  return static_cast<double>(total / static_cast<long double>(logits.rows() - 1));
}

/// Rounding of the loss, which is computed in double whatever the logits are: a sum over the
/// vocabulary inside a logarithm, then a sum over tokens of numbers up to twice the largest logit.
template <class T>
double allowance(const Matrix<T>& logits) {
  const double largest = static_cast<double>(logits.cwiseAbs().maxCoeff());
  const auto vocabulary = static_cast<double>(logits.cols());
  return plumb::test::gamma<double>(vocabulary + static_cast<double>(logits.rows()) + 8) *
         (1 + std::log(vocabulary) + 2 * largest);
}

TokenIds ids_below(Index tokens, Index vocabulary) {
  TokenIds ids;
  for (Index t = 0; t < tokens; ++t) {
    ids.push_back(static_cast<plumb::TokenId>(*rc::gen::inRange<Index>(0, vocabulary)));
  }
  return ids;
}

}  // namespace

TEMPLATE_TEST_CASE("the loss is the mean cross-entropy of the next tokens", "", float, double) {
  rc::prop("as the definition says", [] {
    const Index tokens = *plumb::test::size() + 1, vocabulary = *plumb::test::size();
    const auto logits = *plumb::test::activations<TestType>(tokens, vocabulary);
    const auto ids = ids_below(tokens, vocabulary);
    const auto loss = plumb::next_token_loss<TestType>(logits, ids);
    RC_ASSERT(loss.has_value());
    RC_ASSERT(plumb::test::mismatch(*loss, naive_loss(logits, ids), allowance(logits)) == "");
  });
  rc::prop("whatever is added to all logits of a row", [] {
    const Index tokens = *plumb::test::size() + 1, vocabulary = *plumb::test::size();
    const auto logits = *plumb::test::gaussian<TestType>(tokens, vocabulary, 5);
    const auto ids = ids_below(tokens, vocabulary);
    Matrix<TestType> shifted = logits;
    for (Index t = 0; t < tokens; ++t) {
      shifted.row(t).array() += *plumb::test::bounded<TestType>(TestType(1000));
    }
    // Adding rounds each logit once.
    const double rounding =
        2 * plumb::test::unit<TestType> * static_cast<double>(shifted.cwiseAbs().maxCoeff());
    RC_ASSERT(plumb::test::mismatch(*plumb::next_token_loss<TestType>(shifted, ids),
                                    *plumb::next_token_loss<TestType>(logits, ids),
                                    rounding + allowance(shifted) + allowance(logits)) == "");
  });
}

TEMPLATE_TEST_CASE("logits that are all alike lose the logarithm of the vocabulary", "", float,
                   double) {
  for (const Index vocabulary : {1, 2, 3, 100, 512}) {
    for (const auto level : {0.0, -3.5, 1e4, -1e4}) {
      const Matrix<TestType> logits =
          Matrix<TestType>::Constant(3, vocabulary, static_cast<TestType>(level));
      const auto last = static_cast<plumb::TokenId>(vocabulary - 1);
      const auto loss = plumb::next_token_loss<TestType>(logits, {last, 0, last});
      REQUIRE(loss.has_value());
      CHECK(plumb::test::mismatch(*loss, -std::log(1 / static_cast<double>(vocabulary)),
                                  allowance(logits)) == "");
    }
  }
}

TEMPLATE_TEST_CASE("the loss looks at the next token of each but the last row", "", float, double) {
  Matrix<TestType> logits = Matrix<TestType>::Zero(3, 4);
  logits(0, 2) = 1000;   // row 0 expects token 2
  logits(1, 3) = 1000;   // row 1 expects token 3
  logits(2, 0) = -1000;  // nothing follows row 2
  CHECK(plumb::next_token_loss<TestType>(logits, {0, 2, 3}) == 0.0);
  CHECK(plumb::next_token_loss<TestType>(logits, {1, 2, 3}) == 0.0);
  CHECK(plumb::next_token_loss<TestType>(logits, {0, 2, 1}) == 500.0);
  CHECK(plumb::next_token_loss<TestType>(logits, {0, 1, 1}) == 1000.0);
}

TEMPLATE_TEST_CASE("logits of any size, and tokens that are ruled out, do not overflow", "", float,
                   double) {
  constexpr TestType infinity = std::numeric_limits<TestType>::infinity();
  Matrix<TestType> logits(2, 3);
  logits << TestType(1e30), TestType(-1e30), -infinity, 0, 0, 0;
  CHECK(plumb::next_token_loss<TestType>(logits, {0, 0}) == 0.0);
  CHECK(plumb::next_token_loss<TestType>(logits, {0, 1}) ==
        2 * static_cast<double>(TestType(1e30)));
  CHECK(std::isinf(*plumb::next_token_loss<TestType>(logits, {0, 2})));
}

TEST_CASE("logits in float are summed in double") {
  // In float, a million equal terms would be off in the fifth digit.
  constexpr Index vocabulary = 1'000'000;
  const Matrix<float> logits = Matrix<float>::Constant(2, vocabulary, 0.1f);
  CHECK(plumb::test::mismatch(*plumb::next_token_loss<float>(logits, {0, 1}),
                              std::log(static_cast<double>(vocabulary)), 1e-9) == "");
}

TEMPLATE_TEST_CASE("a text without a next token has no loss", "", float, double) {
  CHECK_FALSE(plumb::next_token_loss<TestType>(Matrix<TestType>::Zero(1, 4), {0}).has_value());
  CHECK_FALSE(plumb::next_token_loss<TestType>(Matrix<TestType>::Zero(0, 4), {}).has_value());
  CHECK(plumb::next_token_loss<TestType>(Matrix<TestType>::Zero(2, 4), {0, 0}).has_value());
}

TEMPLATE_TEST_CASE("logits and ids that do not fit are refused", "", float, double) {
  const Matrix<TestType> logits = Matrix<TestType>::Zero(3, 4);
  const auto loss = [&](const TokenIds& ids) {
    return plumb::next_token_loss<TestType>(logits, ids);
  };
  CHECK_THROWS_AS(loss({0, 1}), plumb::shape_error);
  CHECK_THROWS_AS(loss({0, 1, 2, 3}), plumb::shape_error);
  CHECK_THROWS_AS(loss({}), plumb::shape_error);
  CHECK_THROWS_AS(loss({0, 4, 0}), plumb::index_error);
  CHECK_THROWS_AS(loss({0, 0, 4}), plumb::index_error);
  CHECK_THROWS_AS(loss({0, -1, 0}), plumb::index_error);
  CHECK_NOTHROW(loss({0, 3, 3}));
}

TEST_CASE("the bundled model loses less than chance on its text, as its golden does") {
  const auto one = plumb::test::bundled_golden();
  const plumb::Decoder<float> model(plumb::Checkpoint::open(one.model));
  const auto golden = plumb::test::read_golden(one.golden, model.architecture());
  const auto trace = plumb::trace(model, golden.ids, {.attention = false});
  const double loss = *plumb::next_token_loss<float>(trace.logits, golden.ids);
  // Each logit of a row may be off by the golden bound times the row's largest.
  const double off = 2 * plumb::test::kGoldenBoundFloat * golden.logits.cwiseAbs().maxCoeff();
  CHECK(plumb::test::mismatch(loss, naive_loss(golden.logits, golden.ids), off) == "");
  CHECK(loss < 0.7 * std::log(512.0));
}
