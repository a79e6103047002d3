#include "plumb/model/decoder.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "plumb/model/planted.hpp"
#include "support/close.hpp"
#include "support/golden.hpp"

using namespace plumb;
using namespace plumb::test;

namespace {

struct Fixture {
  std::string name;
  Checkpoint checkpoint;
};

const std::vector<Fixture>& fixtures() {
  static const auto all = [] {
    std::vector<Fixture> list;
    for (const auto& one : golden_fixtures()) {
      list.push_back({one.name, Checkpoint::open(one.model)});
    }
    return list;
  }();
  return all;
}

const Checkpoint& fixture(const std::string& name) {
  for (const auto& one : fixtures()) {
    if (one.name == name) return one.checkpoint;
  }
  throw std::runtime_error("no fixture " + name);
}

TokenIds random_ids(const Architecture& architecture, std::size_t tokens) {
  std::mt19937 engine(7);
  TokenIds ids;
  while (ids.size() < tokens) {
    ids.push_back(static_cast<TokenId>(engine() % static_cast<unsigned>(architecture.vocab_size)));
  }
  return ids;
}

/// What the load_error of the action says, or "no load_error".
template <class Action>
std::string complaint(const Action& action) {
  try {
    action();
  } catch (const load_error& error) {
    return error.what();
  }
  return "no load_error";
}

bool names(const std::string& message, const std::string& tensor) {
  return message.find("'" + tensor + "'") != std::string::npos;
}

/// `checkpoint` with one entry of a matrix replaced.
Checkpoint with_entry(Checkpoint checkpoint, const std::string& name, double value) {
  auto m = read_matrix<double>(checkpoint.tensor(name));
  m(m.rows() / 2, m.cols() / 2) = value;
  checkpoint.replace(make_tensor<double>(name, m));
  return checkpoint;
}

/// The largest difference of a row relative to the largest entry of the row.
template <class A, class B>
GoldenError row_error(const Matrix<A>& got, const Matrix<B>& want) {
  GoldenError error;
  error.compare("pass", got, Matrix<double>(want.template cast<double>()));
  return error;
}

/// Rows of a batch that goes through all layers, against the same rows in another batch: products
/// of up to 176 terms are summed in another order, in up to 6 layers one after the other.
template <class T>
inline constexpr double kBatchBound = 0x1p10 * unit<T>;

}  // namespace

// ---- What is refused ------------------------------------------------------------------------

TEMPLATE_TEST_CASE("a token id outside the vocabulary throws", "", float, double) {
  const Decoder<TestType> model(fixture("hf/llama"));
  const auto vocabulary = static_cast<TokenId>(model.architecture().vocab_size);
  CHECK_NOTHROW(model.embed({0, vocabulary - 1}));
  for (const TokenId wrong : {TokenId{-1}, vocabulary, std::numeric_limits<TokenId>::max()}) {
    CHECK_THROWS_AS(model.embed({0, wrong}), index_error);
    CHECK_THROWS_AS(model.forward({wrong, 0}), index_error);
  }
}

TEMPLATE_TEST_CASE("a text without tokens throws", "", float, double) {
  const Decoder<TestType> model(fixture("hf/llama"));
  CHECK_THROWS_AS(model.embed({}), shape_error);
  CHECK_THROWS_AS(model.forward({}), shape_error);
}

TEMPLATE_TEST_CASE("a sequence of another length throws", "", float, double) {
  const Decoder<TestType> model(fixture("hf/llama"));
  CHECK_THROWS_AS(model.forward({0, 1, 2}, Sequence::causal(2)), shape_error);
  CHECK_THROWS_AS(model.forward({0, 1, 2}, Sequence::alone(4)), shape_error);
}

TEST_CASE("learned positions are those of the sequence, and end with the context") {
  const auto& checkpoint = fixture("hf/gpt2");
  const Decoder<double> model(checkpoint);
  const auto context = checkpoint.architecture.context_length;
  auto sequence = Sequence::causal(2);
  sequence.positions = {7, context - 1};
  const auto table = read_matrix<double>(checkpoint.tensor("transformer.wpe.weight"));
  const Matrix<double> moved =
      model.embed({4, 4}, sequence).row(1) - model.embed({4, 4}, sequence).row(0);
  CHECK(mismatch(moved, table.row(context - 1) - table.row(7), 1e-14) == "");
  sequence.positions[1] = context;
  CHECK_THROWS_AS(model.embed({4, 4}, sequence), index_error);
  CHECK_THROWS_AS(model.forward({4, 4}, sequence), index_error);
  CHECK_THROWS_AS(model.embed({4, 4, 4}, sequence), shape_error);
}

TEST_CASE("options that layers have for themselves are those of each layer") {
  const Decoder<double> smollm(fixture("hf/smollm3"));
  CHECK(smollm.layer(0).attention.rotary.kind == RotaryKind::unscaled);
  CHECK(smollm.layer(1).attention.rotary.kind == RotaryKind::none);
  CHECK(smollm.layer(0).attention.window == 0);
  CHECK(smollm.layer(1).attention.window == 5);
  const Decoder<double> gemma(fixture("hf/gemma-gains"));
  const auto stored =
      read_vector<double>(gemma.checkpoint().tensor("model.layers.0.input_layernorm.weight"));
  const auto gain = std::get<RmsNorm<double>>(gemma.layer(0).attention_pre_norm.kind).gain;
  CHECK(difference(gain, Vector<double>(stored.array() + 1)) == "");
}

TEMPLATE_TEST_CASE("a layer that there is not throws", "", float, double) {
  for (const auto& one : fixtures()) {
    const Decoder<TestType> model(one.checkpoint);
    const Index layers = model.architecture().layers;
    CHECK_NOTHROW(model.layer(0));
    CHECK_NOTHROW(model.layer(layers - 1));
    CHECK_THROWS_AS(model.layer(-1), index_error);
    CHECK_THROWS_AS(model.layer(layers), index_error);
  }
}

TEMPLATE_TEST_CASE("a weight that is not finite is named when its layer is used", "", float,
                   double) {
  const auto& good = fixture("hf/llama");
  const auto layer = layer_names(good.architecture, 1);
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::infinity()}) {
    for (const auto& name :
         {layer.query.tensor, layer.output.tensor, layer.gate.tensor, layer.down.tensor}) {
      const Decoder<TestType> model(with_entry(good, name, bad));
      CHECK_NOTHROW(model.layer(0));
      CHECK(names(complaint([&] { model.layer(1); }), name));
      CHECK(names(complaint([&] { model.forward({0, 1}); }), name));
    }
    const Decoder<TestType> embedding(with_entry(good, kEmbeddingName, bad));
    const auto row = static_cast<TokenId>(good.architecture.vocab_size / 2);
    CHECK_NOTHROW(embedding.embed({0, row - 1}));
    CHECK(names(complaint([&] { embedding.embed({0, row}); }), kEmbeddingName));
  }
}

TEST_CASE("a checkpoint with other tensors than its architecture has is refused") {
  const auto& good = fixture("hf/llama");
  const auto name = layer_names(good.architecture, 1).up.tensor;
  const auto refused = [](const Checkpoint& checkpoint) {
    return complaint([&] { Decoder<float> model(checkpoint); });
  };
  CHECK(refused(good) == "no load_error");

  auto missing = good;
  missing.tensors.erase(name);
  CHECK(names(refused(missing), name));

  auto misshapen = good;
  misshapen.replace(make_tensor(name, Matrix<float>(Matrix<float>::Zero(3, 5))));
  CHECK(names(refused(misshapen), name));

  auto surplus = good;
  surplus.replace(make_tensor("model.extra", Matrix<float>(Matrix<float>::Zero(1, 1))));
  CHECK(names(refused(surplus), "model.extra"));

  auto more_layers = good;
  ++more_layers.architecture.layers;
  CHECK(refused(more_layers) != "no load_error");

  auto gated = good;
  gated.architecture.attention_gate = AttentionGate::head;
  CHECK(names(refused(gated), layer_names(good.architecture, 0).attention_gate.tensor));
}

// ---- What is computed -----------------------------------------------------------------------

TEMPLATE_TEST_CASE("embedding takes rows of the table, scaled, and adds learned positions", "",
                   float, double) {
  for (const auto& one : fixtures()) {
    const Decoder<TestType> model(one.checkpoint);
    const auto& a = one.checkpoint.architecture;
    const auto names = model_names(a);
    const auto table = read_matrix<TestType>(one.checkpoint.tensor(names.embedding));
    const TokenIds ids{3, 0, 3, static_cast<TokenId>(table.rows() - 1)};
    const auto h = model.embed(ids);
    REQUIRE(h.rows() == 4);
    for (Index t = 0; t < 4; ++t) {
      RowVector<TestType> want = table.row(ids[static_cast<std::size_t>(t)]);
      want *= static_cast<TestType>(a.embedding_scale);
      if (a.learned_positions) {
        want += read_matrix<TestType>(one.checkpoint.tensor(names.positions)).row(t);
      }
      CHECK(h.row(t) == want);
    }
  }
}

TEMPLATE_TEST_CASE("the head is the product with its table, tied or not", "", float, double) {
  planted::Plan large;  // a vocabulary that is widened in several blocks
  large.hidden_size = 16;
  large.vocab_size = 9001;
  std::vector<Fixture> cases = fixtures();
  cases.push_back({"large", planted::make(large).checkpoint});
  bool tied = false, untied = false;
  for (const auto& one : cases) {
    INFO(one.name);
    const Decoder<TestType> model(one.checkpoint);
    const auto& a = model.architecture();
    (a.tied_head ? tied : untied) = true;
    const auto table =
        read_matrix<TestType>(
            one.checkpoint.tensor(a.tied_head ? model_names(a).embedding : model_names(a).head))
            .template cast<double>()
            .eval();
    const Matrix<TestType> normed = model.forward(random_ids(a, 5));
    const Matrix<double> x = normed.template cast<double>();
    Matrix<double> want = x * table.transpose();
    const Matrix<double> sizes = x.cwiseAbs() * table.cwiseAbs().transpose();
    const double rounding = 2 * gamma<TestType>(roundings(a.hidden_size));
    Matrix<double> allowance = rounding * sizes;
    if (a.logit_soft_cap) {  // does not magnify an error, and adds a dozen roundings of its own
      want = *a.logit_soft_cap * (want.array() / *a.logit_soft_cap).tanh();
      allowance += 12 * unit<TestType> * sizes;
    }
    CHECK(mismatch(model.head(normed), want, allowance) == "");
  }
  CHECK(tied);
  CHECK(untied);
}

TEMPLATE_TEST_CASE("a pass is its layers one after the other, and the final norm", "", float,
                   double) {
  for (const auto& one : fixtures()) {
    INFO(one.name);
    const Decoder<TestType> model(one.checkpoint);
    const auto ids = random_ids(model.architecture(), 6);
    const auto sequence = Sequence::causal(6);
    NoTap nobody;
    Matrix<TestType> h = model.embed(ids);
    for (Index l = 0; l < model.architecture().layers; ++l) {
      h = model.layer(l).value(h, sequence, nobody, l);
    }
    CHECK(difference(model.final_norm().value(h), model.forward(ids)) == "");
    CHECK(difference(model.forward(ids, sequence), model.forward(ids)) == "");
  }
}

TEST_CASE("passes in float and in double agree") {
  for (const auto& one : fixtures()) {
    INFO(one.name);
    const Decoder<float> narrow(one.checkpoint);
    const Decoder<double> wide(one.checkpoint);
    const auto ids = random_ids(wide.architecture(), 12);
    const auto in_float = narrow.forward(ids);
    const auto in_double = wide.forward(ids);
    const auto error = row_error(in_float, in_double);
    INFO(error.where);
    CHECK(error.value <= 1e-4);
    CHECK(row_error(narrow.head(in_float), wide.head(in_double)).value <= 1e-4);
  }
}

TEMPLATE_TEST_CASE("a token does not change the rows before it, not by a bit", "", float, double) {
  for (const auto& one : fixtures()) {
    INFO(one.name);
    const Decoder<TestType> model(one.checkpoint);
    auto ids = random_ids(model.architecture(), 9);
    const auto before = model.forward(ids);
    ids.back() = (ids.back() + 1) % static_cast<TokenId>(model.architecture().vocab_size);
    const auto after = model.forward(ids);
    CHECK(difference(after.topRows(8), before.topRows(8)) == "");
    CHECK(difference(after.bottomRows(1), before.bottomRows(1)) != "");
  }
}

TEMPLATE_TEST_CASE("the first rows of a text are those of the shorter text", "", float, double) {
  for (const auto& one : fixtures()) {
    INFO(one.name);
    const Decoder<TestType> model(one.checkpoint);
    const auto ids = random_ids(model.architecture(), 9);
    const Matrix<TestType> rows = model.forward(ids).topRows(4);
    const auto error = row_error(rows, model.forward({ids.begin(), ids.begin() + 4}));
    INFO(error.where);
    CHECK(error.value <= kBatchBound<TestType>);
  }
}

TEMPLATE_TEST_CASE("tokens alone are passes of length one", "", float, double) {
  for (const auto& one : fixtures()) {
    INFO(one.name);
    const Decoder<TestType> model(one.checkpoint);
    const auto ids = random_ids(model.architecture(), 6);
    const auto together = model.forward(ids, Sequence::alone(6));
    for (Index t = 0; t < 6; ++t) {
      const Matrix<TestType> row = together.row(t);
      const auto error = row_error(row, model.forward({ids[static_cast<std::size_t>(t)]}));
      CHECK(error.value <= kBatchBound<TestType>);
    }
  }
}
