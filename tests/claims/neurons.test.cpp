#include "plumb/claims/neurons.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "plumb/model/decoder.hpp"
#include "plumb/model/planted.hpp"
#include "plumb/trace/trace.hpp"
#include "support/close.hpp"
#include "support/golden.hpp"
#include "support/neurons.hpp"

using namespace plumb::claims;
using namespace plumb::test;
using plumb::Index;
using plumb::Matrix;
using plumb::Vector;
namespace details = plumb::claims::detail;

namespace {

/// What a form is visited as.
struct Seen {
  double write = 0;
  double form = 0;
  double by_matrix = 0;
  Objection obstacle = {};
};

}  // namespace

TEST_CASE("the form of a channel, with and without its matrix") {
  property("products, norm and mass", [] {
    const auto n = draw_neurons();
    const Index d = n.gate.cols();
    const Vector<double> x = *gaussian_vector<double>(d), y = *gaussian_vector<double>(d);
    const Matrix<double> form = dense(n);
    const double off = gamma(4 * (d + n.down.size()) + 32) * mass(n);
    const double lengths = x.norm() * y.norm();
    RC_ASSERT(mismatch(form_value(n, x), x.dot(form * x), off * x.squaredNorm()) == "");
    RC_ASSERT(mismatch(form_between(n, x, y), x.dot(form * y), off * lengths) == "");
    RC_ASSERT((form_times(n, x) - form * x).norm() <= off * x.norm());
    RC_ASSERT(mismatch(form_squares(n), form.squaredNorm(), 4 * off * mass(n)) == "");
    RC_ASSERT(form.norm() <= mass(n) * (1 + 1e-12));
  });
}

TEST_CASE("a spectrum is of the matrix, within the error that it states") {
  property("eigenvalues, and traces", [] {
    const auto n = draw_neurons();
    const Matrix<double> form = dense(n);
    const Spectrum spectrum = spectrum_of(form, 0);
    const Index d = form.rows();
    for (Index i = 0; i < d; ++i) {
      const Vector<double> v = spectrum.vectors.col(i);
      RC_ASSERT((form * v - spectrum.values[i] * v).norm() <= spectrum.error);
      RC_ASSERT(details::is_unit(v));
    }
    const auto off = static_cast<double>(d) * spectrum.error;
    RC_ASSERT(mismatch(spectrum.values.sum(), form.trace(), off) == "");
    RC_ASSERT(spectrum.error <= 1e-12 * (1 + form.norm()));
  });
}

TEST_CASE("the bisector is that of the neuron that writes most, on the side that opens it") {
  const auto n = neurons_of({{1, 0}, {0, 1}}, {{0, -1}, {0, 1}}, {1, 5});
  const Vector<double> first = vec({3, -0.1}), second = vec({0.1, 1});
  CHECK(details::strongest(n, first) == 0);
  CHECK(details::strongest(n, second) == 1);
  CHECK((details::bisector(n, first) - normed(vec({1, -1}))).norm() < 1e-15);
  CHECK((details::bisector(n, second) - axis(2, 1)).norm() < 1e-15);
}

TEST_CASE("forms are visited at the largest writes, one a position where a spectrum is made") {
  const plumb::Decoder<double> model(plumb::planted::make().checkpoint);
  const auto run = plumb::run_layer(model, plumb::trace(model, {0, 5, 6}), 0);
  for (const auto reads : {details::Reads::writes, details::Reads::spectra}) {
    Index visited = 0;
    details::visit_forms<Seen>(
        run, reads,
        [&](const Seen& seen, const Where& where) {
          ++visited;
          CHECK_FALSE(seen.obstacle);
          CHECK(seen.form == Approx(seen.by_matrix).margin(1e-12));
          CHECK(where.block == plumb::Block::feed_forward);
        },
        [](const details::FormSite& site) {
          const Vector<double> x = site.x();
          return Seen{site.write(), x.dot(site.form.apply(x)), x.dot(dense(site.neurons) * x), {}};
        });
    const auto places = static_cast<Index>(feed_forward_rows(run).positions.size());
    CHECK(visited == (reads == details::Reads::spectra ? 1 : 2) * places);
  }
}

TEST_CASE("a block without a form is visited once, with the obstacle") {
  const plumb::Decoder<double> model(plumb::Checkpoint::open(kFixtures / "hf/gpt2"));
  const auto run = plumb::run_layer(model, plumb::trace(model, {0, 1}), 0);
  Index visited = 0;
  details::visit_forms<Seen>(
      run, details::Reads::writes,
      [&](const Seen& seen, const Where& where) {
        ++visited;
        REQUIRE(seen.obstacle);
        CHECK(seen.obstacle->find("gate") != std::string::npos);
        CHECK_FALSE(where.channel);
      },
      [](const details::FormSite&) { return Seen{}; });
  CHECK(visited == 1);
}
