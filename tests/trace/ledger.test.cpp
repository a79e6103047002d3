#include "plumb/trace/ledger.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "support/close.hpp"
#include "support/golden.hpp"

using plumb::Block;
using plumb::Checkpoint;
using plumb::Decoder;
using plumb::Index;
using plumb::Ledger;
using plumb::Matrix;
using plumb::Trace;
namespace site = plumb::site;

namespace {

/// Two layers, two tokens, two channels; numbers that add without rounding.
template <class T>
Trace<T> by_hand() {
  const auto matrix = [](T a, T b, T c, T d) {
    return Matrix<T>((Matrix<T>(2, 2) << a, b, c, d).finished());
  };
  Trace<T> trace;
  trace.architecture.hidden_size = 2;
  trace.architecture.layers = 2;
  trace.ids = {4, 5};
  trace.attention_write = {matrix(1, 0, 0, 10), matrix(0, 0, 0, -20)};
  trace.feed_forward_write = {matrix(2, 0, 0, 100), matrix(0, 0, 0, 0.5)};
  trace.residual = {matrix(0, 0, 0, 1), matrix(3, 0, 0, 111), matrix(3, 0, 0, 91.5)};
  return trace;
}

/// The bound that the header states.
template <class T>
double bound(const Ledger& account) {
  double sum = 0;
  for (const auto& entry : account.entries) sum += std::abs(entry.balance);
  return plumb::test::unit<T> * sum;
}

template <class T>
Decoder<T> open(const plumb::test::GoldenCase& one) {
  return Decoder<T>(Checkpoint::open(one.model));
}

}  // namespace

TEMPLATE_TEST_CASE("a ledger lists balance and writes in the order of the blocks", "", float,
                   double) {
  const auto account = plumb::ledger(by_hand<TestType>(), 1, 1);
  CHECK(account.opening == 1);
  REQUIRE(account.entries.size() == 4);
  const auto is = [&](std::size_t i, Index layer, Block block, double write, double balance) {
    const auto& entry = account.entries[i];
    CHECK(entry.layer == layer);
    CHECK(entry.block == block);
    CHECK(entry.write == write);
    CHECK(entry.balance == balance);
  };
  is(0, 0, Block::attention, 10, 11);
  is(1, 0, Block::feed_forward, 100, 111);
  is(2, 1, Block::attention, -20, 91);
  is(3, 1, Block::feed_forward, 0.5, 91.5);
  CHECK(account.discrepancy() == 0);
  CHECK(plumb::ledger(by_hand<TestType>(), 0, 0).entries.back().balance == 3);
}

TEMPLATE_TEST_CASE("what no block wrote is a discrepancy", "", float, double) {
  auto trace = by_hand<TestType>();
  trace.residual[2](1, 1) = TestType(90);
  CHECK(plumb::ledger(trace, 1, 1).discrepancy() == 1.5);
  trace.residual[2](1, 1) = TestType(92);
  CHECK(plumb::ledger(trace, 1, 1).discrepancy() == 0.5);
  CHECK(plumb::ledger(trace, 0, 1).discrepancy() == 0);
}

TEST_CASE("a ledger without layers closes as it opened") {
  Trace<float> trace;
  trace.architecture.hidden_size = 1;
  trace.ids = {0};
  trace.residual = {Matrix<float>::Constant(1, 1, 2.0f)};
  const auto account = plumb::ledger(trace, 0, 0);
  CHECK(account.opening == 2);
  CHECK(account.entries.empty());
  CHECK(account.discrepancy() == 0);
}

TEMPLATE_TEST_CASE("the residual stream of every fixture adds up within the stated rounding", "",
                   float, double) {
  for (const auto& one : plumb::test::golden_fixtures()) {
    const auto model = open<TestType>(one);
    const auto golden = plumb::test::read_golden(one.golden, model.architecture());
    const auto trace = plumb::trace(model, golden.ids);
    for (Index token = 0; token < trace.tokens(); ++token) {
      for (Index channel = 0; channel < model.architecture().hidden_size; ++channel) {
        const auto account = plumb::ledger(trace, token, channel);
        REQUIRE(account.entries.size() == static_cast<std::size_t>(2 * trace.layers()));
        if (account.discrepancy() > bound<TestType>(account)) {
          FAIL(one.name << " token " << token << " channel " << channel << ": off by "
                        << account.discrepancy() << " where " << bound<TestType>(account)
                        << " is allowed");
        }

        // The ledger is about this trace: x_L = x_0 + all writes, summed here with more digits.
        long double sum = trace.residual.front()(token, channel);
        for (std::size_t l = 0; l < trace.attention_write.size(); ++l) {
          sum += trace.attention_write[l](token, channel);
          sum += trace.feed_forward_write[l](token, channel);
        }
        const auto closing = static_cast<long double>(trace.residual.back()(token, channel));
        REQUIRE(static_cast<double>(std::abs(closing - sum)) <= bound<TestType>(account));
        REQUIRE(account.entries.back().balance == static_cast<double>(closing));
      }
    }
  }
}

TEMPLATE_TEST_CASE("balances are those of the trace between and after the blocks", "", float,
                   double) {
  const auto model = open<TestType>(plumb::test::bundled_golden());
  const auto trace = plumb::trace(model, {0, 17, 300});
  const auto account = plumb::ledger(trace, 2, 61);
  CHECK(account.opening == static_cast<double>(trace.residual[0](2, 61)));
  for (Index l = 0; l < trace.layers(); ++l) {
    const auto layer = static_cast<std::size_t>(l);
    const auto& attention = account.entries[2 * layer];
    const auto& feed_forward = account.entries[2 * layer + 1];
    CHECK(attention.layer == l);
    CHECK(attention.block == Block::attention);
    CHECK(attention.write == static_cast<double>(trace.attention_write[layer](2, 61)));
    CHECK(attention.balance == static_cast<double>(trace.middle(l)(2, 61)));
    CHECK(feed_forward.layer == l);
    CHECK(feed_forward.block == Block::feed_forward);
    CHECK(feed_forward.write == static_cast<double>(trace.feed_forward_write[layer](2, 61)));
    CHECK(feed_forward.balance == static_cast<double>(trace.residual[layer + 1](2, 61)));
  }
}

TEMPLATE_TEST_CASE("an edited residual is a discrepancy of the size of the edit", "", float,
                   double) {
  const auto model = open<TestType>(plumb::test::bundled_golden());
  const auto push = [](Index layer, site::residual, Matrix<TestType>& h) {
    if (layer == 3) h(1, 5) += TestType(1000);
  };
  const auto trace = plumb::trace(model, {0, 17, 300}, {}, push);
  CHECK(std::abs(plumb::ledger(trace, 1, 5).discrepancy() - 1000) < 1e-3);
  const auto untouched = plumb::ledger(trace, 1, 6);
  CHECK(untouched.discrepancy() <= bound<TestType>(untouched));
}

TEST_CASE("a token or channel outside the trace is refused") {
  const auto trace = by_hand<float>();
  CHECK_THROWS_AS(plumb::ledger(trace, 2, 0), plumb::index_error);
  CHECK_THROWS_AS(plumb::ledger(trace, -1, 0), plumb::index_error);
  CHECK_THROWS_AS(plumb::ledger(trace, 0, 2), plumb::index_error);
  CHECK_THROWS_AS(plumb::ledger(trace, 0, -1), plumb::index_error);
}

TEST_CASE("blocks have names") {
  CHECK(plumb::to_string(Block::attention) == std::string("attention"));
  CHECK(plumb::to_string(Block::feed_forward) == std::string("feed_forward"));
}
