#include <Eigen/Core>
#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "plumb/trace/trace.hpp"
#include "plumb/weights/tensor_names.hpp"
#include "support/golden.hpp"

/// What the goldens can see: each test makes one mistake in a correct model, and the comparison of
/// tests/golden/forward.test.cpp must fail by far, on every fixture that the mistake concerns. The
/// logits alone are looked at, because everything else is on the way to them.

using plumb::Activation;
using plumb::Architecture;
using plumb::AttentionGate;
using plumb::Checkpoint;
using plumb::Decoder;
using plumb::FeedForwardKind;
using plumb::Index;
using plumb::Matrix;
using plumb::NormKind;
using plumb::QkNorm;
using plumb::RotaryKind;
using plumb::RotaryPairing;
using plumb::Sequence;
using plumb::StoredGain;
using plumb::StoredWeight;
using plumb::Vector;

namespace {

/// A mistake counts as seen when it moves the logits by ten times what a pass in float may be off.
constexpr double kSeen = 10 * plumb::test::kGoldenBoundFloat;

struct Fixture {
  std::string name;
  Checkpoint checkpoint;
  plumb::test::Golden golden;
};

const std::vector<Fixture>& fixtures() {
  static const auto all = [] {
    std::vector<Fixture> list;
    for (const auto& one : plumb::test::golden_fixtures()) {
      auto checkpoint = Checkpoint::open(one.model);
      auto golden = plumb::test::read_golden(one.golden, checkpoint.architecture);
      list.push_back({one.name, std::move(checkpoint), std::move(golden)});
    }
    return list;
  }();
  return all;
}

/// Error of logits computed in double.
double error_of(const Matrix<double>& logits, const Matrix<double>& golden) {
  plumb::test::GoldenError error;
  error.compare("logits", logits, golden);
  return error.value;
}

double error_of(const Checkpoint& checkpoint, const Sequence& sequence, const Fixture& fixture) {
  const Decoder<double> model(checkpoint);
  return error_of(model.head(model.forward(fixture.golden.ids, sequence)), fixture.golden.logits);
}

Sequence causal(const Fixture& fixture) { return Sequence::causal(fixture.golden.tokens()); }

/// The error after a mistake, which is told the fixture.
using Mistake = std::function<double(const Fixture&)>;

/// A mistake in the checkpoint.
template <class Edit>
Mistake in_checkpoint(Edit edit) {
  return [edit](const Fixture& fixture) {
    Checkpoint checkpoint = fixture.checkpoint;
    edit(checkpoint);
    return error_of(checkpoint, causal(fixture), fixture);
  };
}

/// A mistake in what the rows see, or where they stand.
template <class Edit>
Mistake in_sequence(Edit edit) {
  return [edit](const Fixture& fixture) {
    Sequence sequence = causal(fixture);
    edit(sequence);
    return error_of(fixture.checkpoint, sequence, fixture);
  };
}

/// The mistake shows on every fixture whose architecture `concerns` accepts, of which there are
/// `count`: a fixture that is lost, or a new one, is to be noticed here.
template <class Concerns>
void check_seen(int count, Concerns concerns, const Mistake& mistake) {
  int seen = 0;
  for (const auto& fixture : fixtures()) {
    if (!concerns(fixture.checkpoint.architecture)) continue;
    INFO(fixture.name);
    const double error = mistake(fixture);
    CHECK(error > kSeen);
    ++seen;
  }
  CHECK(seen == count);
}

// ---- Which fixtures a mistake concerns ----------------------------------------------------------

bool all(const Architecture&) { return true; }
bool rotates(const Architecture& a) { return a.rotary != RotaryKind::none; }
/// With one plane there is one pairing, and its speed is 1 whatever theta is.
bool several_planes(const Architecture& a) { return rotates(a) && a.rotary_size() > 2; }
bool gated_neurons(const Architecture& a) { return a.feed_forward == FeedForwardKind::gated; }
bool windowed(const Architecture& a) { return !a.windows.empty(); }
/// A row sees the first key in some layer.
bool looks_back(const Architecture& a) {
  return !windowed(a) || std::find(a.windows.begin(), a.windows.end(), 0) != a.windows.end();
}
bool layer_normed(const Architecture& a) { return a.pre_norm == NormKind::layer_norm; }
bool gated(const Architecture& a) { return a.attention_gate != AttentionGate::none; }
bool pre_normed(const Architecture& a) { return a.pre_norm == NormKind::rms_norm; }
bool post_normed(const Architecture& a) { return a.post_norm != NormKind::none; }
bool dynamic_tanh(const Architecture& a) { return a.pre_norm == NormKind::dynamic_tanh; }
bool qk_normed(const Architecture& a) { return a.qk_norm != QkNorm::none; }
/// Large enough to show, beside rows of the size that they have: eps is 1e-6 in some of hf, 1e-5 in
/// tiny-llama, 1e-3 in the others; scaled embeddings are larger.
bool loose_eps(const Architecture& a) { return a.norm_eps >= 1e-4 && a.embedding_scale == 1; }
bool tied(const Architecture& a) { return a.tied_head; }
bool untied(const Architecture& a) { return !a.tied_head; }
/// Groups of several query heads, and several groups.
bool grouped(const Architecture& a) { return 1 < a.kv_heads && a.kv_heads < a.heads; }

// ---- Edits --------------------------------------------------------------------------------------

Matrix<double> matrix(const Checkpoint& checkpoint, const std::string& name) {
  return plumb::read_matrix<double>(checkpoint.tensor(name));
}

/// Replaces a weight, or a bias as a matrix of one column, by edit(it).
template <class Edit>
void rewrite(Checkpoint& checkpoint, const StoredWeight& place, Edit edit) {
  const auto weight = plumb::read_weight<double>(checkpoint.tensor(place.tensor), place);
  checkpoint.replace(place, Matrix<double>(edit(weight)));
}

/// Replaces a vector or matrix by edit(matrix of its rows), which keeps the rank.
template <class Edit>
void rewrite(Checkpoint& checkpoint, const std::string& name, Edit edit) {
  const bool is_vector = checkpoint.tensor(name).shape.size() == 1;
  const Matrix<double> edited = edit(matrix(checkpoint, name));
  if (is_vector) {
    checkpoint.replace(plumb::make_tensor(name, Vector<double>(edited.row(0).transpose())));
  } else {
    checkpoint.replace(plumb::make_tensor(name, edited));
  }
}

Matrix<double> ones(const Matrix<double>& m) { return Matrix<double>::Ones(m.rows(), m.cols()); }
Matrix<double> zeros(const Matrix<double>& m) { return Matrix<double>::Zero(m.rows(), m.cols()); }

/// Drops a gain: stores what stands for 1.
void drop_gain(Checkpoint& checkpoint, const std::string& stem) {
  const bool less_one = checkpoint.architecture.stored_gain == StoredGain::gain_minus_one;
  rewrite(checkpoint, stem + ".weight", less_one ? zeros : ones);
}

/// edit(names) for each layer.
template <class Edit>
void in_each_layer(const Checkpoint& checkpoint, Edit edit) {
  for (Index layer = 0; layer < checkpoint.architecture.layers; ++layer) {
    edit(plumb::layer_names(checkpoint.architecture, layer));
  }
}

/// Drops the gain of the norm that `stem` names in each layer.
Mistake without_gain(std::string plumb::LayerNames::* stem) {
  return in_checkpoint([stem](Checkpoint& checkpoint) {
    in_each_layer(checkpoint,
                  [&](const plumb::LayerNames& names) { drop_gain(checkpoint, names.*stem); });
  });
}

}  // namespace

// ---- Controls: what is no mistake is not seen ---------------------------------------------------

TEST_CASE("a checkpoint whose tensors are all rewritten is as good as before") {
  const auto error = in_checkpoint([](Checkpoint& checkpoint) {
    const auto tensors = checkpoint.tensors;
    for (const auto& [name, tensor] : tensors) {
      rewrite(checkpoint, name, [](const Matrix<double>& m) { return m; });
    }
  });
  for (const auto& fixture : fixtures()) {
    INFO(fixture.name);
    CHECK(error(fixture) <= plumb::test::kGoldenBoundDouble);
  }
}

TEST_CASE("positions that are all shifted alike are not seen, because rotary is relative") {
  const auto error = in_sequence([](Sequence& sequence) {
    for (auto& position : sequence.positions) position += 5;
  });
  for (const auto& fixture : fixtures()) {
    if (fixture.checkpoint.architecture.learned_positions) continue;
    INFO(fixture.name);
    CHECK(error(fixture) <= plumb::test::kGoldenBoundDouble);
  }
}

// ---- Norms --------------------------------------------------------------------------------------

TEST_CASE("an eps that is ten times too large is seen") {
  check_seen(
      27, [](const Architecture& a) { return a.norm_eps >= 1e-5; },
      in_checkpoint([](Checkpoint& checkpoint) { checkpoint.architecture.norm_eps *= 10; }));
}

TEST_CASE("an eps that is left out is seen") {
  check_seen(23, loose_eps,
             in_checkpoint([](Checkpoint& checkpoint) { checkpoint.architecture.norm_eps = 0; }));
}

TEST_CASE("a dropped gain of the attention's pre-norm is seen") {
  check_seen(
      33, [](const Architecture& a) { return a.pre_norm != NormKind::none; },
      without_gain(&plumb::LayerNames::attention_pre_norm));
}

TEST_CASE("a dropped gain of the feed-forward's pre-norm is seen") {
  check_seen(
      33, [](const Architecture& a) { return a.pre_norm != NormKind::none; },
      without_gain(&plumb::LayerNames::feed_forward_pre_norm));
}

TEST_CASE("a dropped gain of the attention's post-norm is seen") {
  check_seen(6, post_normed, without_gain(&plumb::LayerNames::attention_post_norm));
}

TEST_CASE("a dropped gain of the feed-forward's post-norm is seen") {
  check_seen(6, post_normed, without_gain(&plumb::LayerNames::feed_forward_post_norm));
}

TEST_CASE("a dropped gain of the query norm is seen") {
  check_seen(6, qk_normed, without_gain(&plumb::LayerNames::query_norm));
}

TEST_CASE("a dropped gain of the key norm is seen") {
  check_seen(6, qk_normed, without_gain(&plumb::LayerNames::key_norm));
}

TEST_CASE("a dropped gain of the final norm is seen") {
  check_seen(35, all, in_checkpoint([](Checkpoint& checkpoint) {
               drop_gain(checkpoint, plumb::model_names(checkpoint.architecture).final_norm);
             }));
}

TEST_CASE("an alpha of DynamicTanh that is taken for 1 is seen") {
  check_seen(1, dynamic_tanh, in_checkpoint([](Checkpoint& checkpoint) {
               in_each_layer(checkpoint, [&](const plumb::LayerNames& names) {
                 rewrite(checkpoint, names.attention_pre_norm + ".alpha", ones);
               });
             }));
}

TEST_CASE("DynamicTanh taken for RMSNorm is seen") {
  check_seen(1, dynamic_tanh, in_checkpoint([](Checkpoint& checkpoint) {
               checkpoint.architecture.pre_norm = NormKind::rms_norm;
               in_each_layer(checkpoint, [&](const plumb::LayerNames& names) {
                 checkpoint.tensors.erase(names.attention_pre_norm + ".alpha");
                 checkpoint.tensors.erase(names.feed_forward_pre_norm + ".alpha");
               });
             }));
}

TEST_CASE("pre-norms that are left out are seen") {
  check_seen(28, pre_normed, in_checkpoint([](Checkpoint& checkpoint) {
               in_each_layer(checkpoint, [&](const plumb::LayerNames& names) {
                 checkpoint.tensors.erase(names.attention_pre_norm + ".weight");
                 checkpoint.tensors.erase(names.feed_forward_pre_norm + ".weight");
               });
               checkpoint.architecture.pre_norm = NormKind::none;
             }));
}

TEST_CASE("post-norms that are left out are seen") {
  check_seen(6, post_normed, in_checkpoint([](Checkpoint& checkpoint) {
               // Without post-norms, the pre-norm of the feed-forward has another name.
               Architecture without = checkpoint.architecture;
               without.post_norm = NormKind::none;
               for (Index layer = 0; layer < without.layers; ++layer) {
                 const auto names = plumb::layer_names(checkpoint.architecture, layer);
                 checkpoint.tensors.erase(names.attention_post_norm + ".weight");
                 checkpoint.tensors.erase(names.feed_forward_post_norm + ".weight");
                 if (without.pre_norm == NormKind::none) continue;
                 auto gain = checkpoint.tensors.extract(names.feed_forward_pre_norm + ".weight");
                 gain.mapped().name =
                     plumb::layer_names(without, layer).feed_forward_pre_norm + ".weight";
                 checkpoint.replace(gain.mapped());
               }
               checkpoint.architecture = without;
             }));
}

TEST_CASE("a final norm that is left out is seen") {
  check_seen(35, all, [](const Fixture& fixture) {
    const Decoder<double> model(fixture.checkpoint);
    const auto trace = plumb::trace(model, fixture.golden.ids);
    return error_of(model.head(trace.residual.back()), fixture.golden.logits);
  });
}

TEST_CASE("a final norm with an eps ten times too large is seen") {
  check_seen(23, loose_eps, [](const Fixture& fixture) {
    const Decoder<double> model(fixture.checkpoint);
    const auto trace = plumb::trace(model, fixture.golden.ids);
    Checkpoint loose = fixture.checkpoint;
    loose.architecture.norm_eps *= 10;
    const Matrix<double> normed = Decoder<double>(loose).final_norm().value(trace.residual.back());
    return error_of(model.head(normed), fixture.golden.logits);
  });
}

TEST_CASE("qk-norm that is left out is seen") {
  check_seen(6, qk_normed, in_checkpoint([](Checkpoint& checkpoint) {
               in_each_layer(checkpoint, [&](const plumb::LayerNames& names) {
                 checkpoint.tensors.erase(names.query_norm + ".weight");
                 checkpoint.tensors.erase(names.key_norm + ".weight");
               });
               checkpoint.architecture.qk_norm = QkNorm::none;
             }));
}

TEST_CASE("qk-norm of each head taken for one over all heads is seen") {
  check_seen(
      4, [](const Architecture& a) { return a.qk_norm == QkNorm::per_head; },
      in_checkpoint([](Checkpoint& checkpoint) {
        auto& a = checkpoint.architecture;
        in_each_layer(checkpoint, [&](const plumb::LayerNames& names) {
          const auto repeat = [](Index times) {
            return [times](const Matrix<double>& gain) -> Matrix<double> {
              return gain.replicate(1, times);
            };
          };
          rewrite(checkpoint, names.query_norm + ".weight", repeat(a.heads));
          rewrite(checkpoint, names.key_norm + ".weight", repeat(a.kv_heads));
        });
        a.qk_norm = QkNorm::all_heads;
      }));
}

TEST_CASE("qk-norm over all heads taken for one of each head is seen") {
  check_seen(
      2, [](const Architecture& a) { return a.qk_norm == QkNorm::all_heads; },
      in_checkpoint([](Checkpoint& checkpoint) {
        auto& a = checkpoint.architecture;
        const auto first_head = [&](const Matrix<double>& gain) -> Matrix<double> {
          return gain.leftCols(a.head_dim);
        };
        in_each_layer(checkpoint, [&](const plumb::LayerNames& names) {
          rewrite(checkpoint, names.query_norm + ".weight", first_head);
          rewrite(checkpoint, names.key_norm + ".weight", first_head);
        });
        a.qk_norm = QkNorm::per_head;
      }));
}

// ---- Attention ----------------------------------------------------------------------------------

TEST_CASE("the other rotary pairing is seen") {
  check_seen(32, several_planes, in_checkpoint([](Checkpoint& checkpoint) {
               checkpoint.architecture.rotary_pairing = RotaryPairing::interleaved;
             }));
}

TEST_CASE("a rotary theta that is twice too large is seen") {
  check_seen(32, several_planes, in_checkpoint([](Checkpoint& checkpoint) {
               checkpoint.architecture.rotary_theta *= 2;
             }));
}

TEST_CASE("positions that shift halfway are seen") {
  check_seen(35, all, in_sequence([](Sequence& sequence) {
               for (std::size_t t = sequence.positions.size() / 2; t < sequence.positions.size();
                    ++t) {
                 ++sequence.positions[t];
               }
             }));
}

TEST_CASE("an attention scale of 1 / head_dim is seen") {
  check_seen(35, all, in_checkpoint([](Checkpoint& checkpoint) {
               auto& a = checkpoint.architecture;
               a.attention_scale = 1.0 / static_cast<double>(a.head_dim);
             }));
}

TEST_CASE("an attention gate that is left out is seen") {
  check_seen(4, gated, in_checkpoint([](Checkpoint& checkpoint) {
               in_each_layer(checkpoint, [&](const plumb::LayerNames& names) {
                 checkpoint.tensors.erase(names.attention_gate.tensor);
               });
               checkpoint.architecture.attention_gate = AttentionGate::none;
             }));
}

TEST_CASE("query heads that are dealt to key heads in turn are seen") {
  // Head h reads kv head h mod K. By renaming the heads: the head in place i, which reads kv head
  // floor(i K / H), is given the queries and the output columns of a head with that remainder.
  check_seen(27, grouped, in_checkpoint([](Checkpoint& checkpoint) {
               const auto& a = checkpoint.architecture;
               std::vector<Index> head_at;
               for (Index kv = 0; kv < a.kv_heads; ++kv) {
                 for (Index h = kv; h < a.heads; h += a.kv_heads) head_at.push_back(h);
               }
               in_each_layer(checkpoint, [&](const plumb::LayerNames& names) {
                 const auto columns = [&](const Matrix<double>& m) {
                   Matrix<double> dealt = m;
                   for (Index i = 0; i < a.heads; ++i) {
                     dealt.middleCols(i * a.head_dim, a.head_dim) = m.middleCols(
                         head_at[static_cast<std::size_t>(i)] * a.head_dim, a.head_dim);
                   }
                   return dealt;
                 };
                 rewrite(checkpoint, names.output, columns);
                 rewrite(checkpoint, names.query, [&](const Matrix<double>& m) -> Matrix<double> {
                   return columns(m.transpose()).transpose();
                 });
                 // A norm over all heads and a gate know their heads by place, too.
                 if (a.qk_norm == QkNorm::all_heads) {
                   rewrite(checkpoint, names.query_norm + ".weight", columns);
                 }
                 if (a.attention_gate == AttentionGate::channel) {
                   rewrite(checkpoint, names.attention_gate,
                           [&](const Matrix<double>& m) -> Matrix<double> {
                             return columns(m.transpose()).transpose();
                           });
                 }
                 if (a.attention_gate == AttentionGate::head) {
                   rewrite(checkpoint, names.attention_gate, [&](const Matrix<double>& m) {
                     Matrix<double> dealt = m;
                     for (Index i = 0; i < a.heads; ++i) {
                       dealt.row(i) = m.row(head_at[static_cast<std::size_t>(i)]);
                     }
                     return dealt;
                   });
                 }
               });
             }));
}

TEST_CASE("one query that sees one key too many is seen") {
  check_seen(35, all, in_sequence([](Sequence& sequence) {
               ++sequence.visible[sequence.visible.size() / 2].last;
             }));
}

TEST_CASE("one query that sees one key too few is seen") {
  check_seen(35, all, in_sequence([](Sequence& sequence) {
               --sequence.visible[sequence.visible.size() / 2].last;
             }));
}

TEST_CASE("one query that does not see the first key is seen") {
  check_seen(33, looks_back, in_sequence([](Sequence& sequence) {
               ++sequence.visible[sequence.visible.size() / 2].first;
             }));
}

TEST_CASE("a text without its start token is seen") {
  check_seen(35, all, [](const Fixture& fixture) {
    const auto tail = plumb::test::golden_tail(fixture.golden, 1);
    const Decoder<double> model(fixture.checkpoint);
    return error_of(model.head(model.forward(tail.ids)), tail.logits);
  });
}

// ---- Options of families
// -------------------------------------------------------------------------

namespace {

/// A mistake in the architecture.
template <class Edit>
Mistake in_architecture(Edit edit) {
  return in_checkpoint([edit](Checkpoint& checkpoint) { edit(checkpoint.architecture); });
}

/// Drops one bias of each layer.
Mistake without_bias(StoredWeight plumb::LayerNames::* bias) {
  return in_checkpoint([bias](Checkpoint& checkpoint) {
    in_each_layer(checkpoint,
                  [&](const plumb::LayerNames& names) { rewrite(checkpoint, names.*bias, zeros); });
  });
}

/// Adds `step` to every window there is.
Mistake other_windows(Index step) {
  return in_architecture([step](Architecture& a) {
    for (auto& window : a.windows) window += window > 0 ? step : 0;
  });
}

}  // namespace

TEST_CASE("an attention soft cap that is left out is seen") {
  // One of 50 is nothing to logits of random weights.
  check_seen(
      1, [](const Architecture& a) { return a.attention_soft_cap.value_or(50) < 50; },
      in_architecture([](Architecture& a) { a.attention_soft_cap.reset(); }));
}

TEST_CASE("a soft cap of the logits that is left out is seen") {
  check_seen(
      1, [](const Architecture& a) { return a.logit_soft_cap.value_or(30) < 30; },
      in_architecture([](Architecture& a) { a.logit_soft_cap.reset(); }));
}

TEST_CASE("the other convention for gains is seen") {
  check_seen(35, all, in_architecture([](Architecture& a) {
               a.stored_gain = a.stored_gain == StoredGain::gain ? StoredGain::gain_minus_one
                                                                 : StoredGain::gain;
             }));
}

TEST_CASE("windows that are one too wide, or one too narrow, are seen") {
  check_seen(7, windowed, other_windows(1));
  check_seen(7, windowed, other_windows(-1));
}

TEST_CASE("windows that are left out are seen") {
  check_seen(7, windowed, in_architecture([](Architecture& a) { a.windows.clear(); }));
}

TEST_CASE("windows on the wrong layers are seen") {
  const auto some = [](const Architecture& a) { return windowed(a) && looks_back(a); };
  check_seen(5, some, in_architecture([](Architecture& a) {
               const Index width = *std::max_element(a.windows.begin(), a.windows.end());
               for (auto& window : a.windows) window = width - window;
             }));
}

TEST_CASE("each bias that is dropped is seen") {
  using plumb::LayerNames;
  const auto check = [](int count, bool plumb::Biases::* flag, StoredWeight LayerNames::* bias) {
    // Without rotary, a bias of the keys adds the same to all logits of a query.
    const bool of_keys = bias == &LayerNames::key_bias;
    check_seen(
        count, [=](const Architecture& a) { return a.biases.*flag && (rotates(a) || !of_keys); },
        without_bias(bias));
  };
  check(8, &plumb::Biases::query, &LayerNames::query_bias);
  check(6, &plumb::Biases::key, &LayerNames::key_bias);
  check(8, &plumb::Biases::value, &LayerNames::value_bias);
  check(6, &plumb::Biases::output, &LayerNames::output_bias);
  check(1, &plumb::Biases::gate, &LayerNames::gate_bias);
  check(5, &plumb::Biases::up, &LayerNames::up_bias);
  check(5, &plumb::Biases::down, &LayerNames::down_bias);
}

TEST_CASE("dropped biases of layer norms are seen") {
  for (auto stem :
       {&plumb::LayerNames::attention_pre_norm, &plumb::LayerNames::feed_forward_pre_norm}) {
    check_seen(4, layer_normed, in_checkpoint([stem](Checkpoint& checkpoint) {
                 in_each_layer(checkpoint, [&](const plumb::LayerNames& names) {
                   rewrite(checkpoint, names.*stem + ".bias", zeros);
                 });
               }));
  }
  check_seen(4, layer_normed, in_checkpoint([](Checkpoint& checkpoint) {
               rewrite(checkpoint, plumb::model_names(checkpoint.architecture).final_norm + ".bias",
                       zeros);
             }));
}

TEST_CASE("layer norm taken for RMS norm, biases aside, is seen") {
  const auto biases_aside = [](Checkpoint& checkpoint) {
    in_each_layer(checkpoint, [&](const plumb::LayerNames& names) {
      checkpoint.tensors.erase(names.attention_pre_norm + ".bias");
      checkpoint.tensors.erase(names.feed_forward_pre_norm + ".bias");
    });
    checkpoint.architecture.pre_norm = NormKind::rms_norm;
  };
  check_seen(4, layer_normed, in_checkpoint(biases_aside));
}

TEST_CASE("an embedding scale that is left out is seen") {
  check_seen(
      4, [](const Architecture& a) { return a.embedding_scale != 1; },
      in_architecture([](Architecture& a) { a.embedding_scale = 1; }));
}

TEST_CASE("learned positions that are off by one are seen") {
  check_seen(
      2, [](const Architecture& a) { return a.learned_positions; },
      in_sequence([](Sequence& sequence) {
        for (auto& position : sequence.positions) ++position;
      }));
}

TEST_CASE("parallel blocks taken for blocks in a row, and the reverse, are seen") {
  check_seen(35, all,
             in_architecture([](Architecture& a) { a.parallel_residual = !a.parallel_residual; }));
}

TEST_CASE("an activation that is taken for a similar one is seen") {
  check_seen(35, all, in_architecture([](Architecture& a) {
               a.activation = a.activation == Activation::gelu   ? Activation::gelu_tanh
                              : a.activation == Activation::silu ? Activation::gelu
                                                                 : Activation::silu;
             }));
}

TEST_CASE("the part of a head that turns is seen when it is the whole head") {
  check_seen(
      3, [](const Architecture& a) { return a.rotary_dim != 0; },
      in_architecture([](Architecture& a) { a.rotary_dim = 0; }));
}

TEST_CASE("a rotary scaling that is left out is seen") {
  check_seen(
      3, [](const Architecture& a) { return a.rotary_scaling.factor != 1; },
      in_architecture([](Architecture& a) { a.rotary = RotaryKind::unscaled; }));
}

TEST_CASE("rotary in the layers that have none is seen") {
  check_seen(
      1, [](const Architecture& a) { return !a.layer_rotary.empty(); },
      in_architecture([](Architecture& a) { a.layer_rotary.clear(); }));
}

TEST_CASE("heads whose queries, keys and values are taken one after the other are seen") {
  check_seen(
      2, [](const Architecture& a) { return a.tensors == plumb::TensorLayout::gpt_neox; },
      in_checkpoint([](Checkpoint& checkpoint) {
        const auto& a = checkpoint.architecture;
        in_each_layer(checkpoint, [&](const plumb::LayerNames& names) {
          const Matrix<double> fused = matrix(checkpoint, names.query.tensor);
          const Index size = a.query_size();
          checkpoint.replace(names.query, Matrix<double>(fused.topRows(size)));
          checkpoint.replace(names.key, Matrix<double>(fused.middleRows(size, size)));
          checkpoint.replace(names.value, Matrix<double>(fused.bottomRows(size)));
        });
      }));
}

TEST_CASE("a square matrix that is stored transposed and read as it is is seen") {
  check_seen(
      2, [](const Architecture& a) { return a.tensors == plumb::TensorLayout::gpt2; },
      in_checkpoint([](Checkpoint& checkpoint) {
        in_each_layer(checkpoint, [&](const plumb::LayerNames& names) {
          rewrite(checkpoint, names.output,
                  [](const Matrix<double>& m) -> Matrix<double> { return m.transpose(); });
        });
      }));
}

// ---- Embeddings, head, layers -------------------------------------------------------------------

TEST_CASE("a head of its own taken for a tied one is seen") {
  check_seen(27, untied, in_checkpoint([](Checkpoint& checkpoint) {
               checkpoint.architecture.tied_head = true;
             }));
}

TEST_CASE("a tied head taken for another matrix is seen") {
  check_seen(8, tied, in_checkpoint([](Checkpoint& checkpoint) {
               // The embeddings of each token's neighbour.
               const auto names = plumb::model_names(checkpoint.architecture);
               const Matrix<double> embeddings = matrix(checkpoint, names.embedding);
               Matrix<double> head(embeddings.rows(), embeddings.cols());
               head << embeddings.bottomRows(embeddings.rows() - 1), embeddings.topRows(1);
               checkpoint.replace(plumb::make_tensor(names.head, head));
               checkpoint.architecture.tied_head = false;
             }));
}

TEST_CASE("gate and up matrices that are exchanged are seen") {
  check_seen(31, gated_neurons, in_checkpoint([](Checkpoint& checkpoint) {
               in_each_layer(checkpoint, [&](const plumb::LayerNames& names) {
                 const auto read = [&](const StoredWeight& place) {
                   return plumb::read_weight<double>(checkpoint.tensor(place.tensor), place);
                 };
                 const Matrix<double> gate = read(names.gate), up = read(names.up);
                 checkpoint.replace(names.gate, up);
                 checkpoint.replace(names.up, gate);
               });
             }));
}

TEST_CASE("layers in another order are seen") {
  check_seen(35, all, in_checkpoint([](Checkpoint& checkpoint) {
               const auto tensors = checkpoint.tensors;
               const std::string layers =
                   plumb::layout_words(checkpoint.architecture.tensors).layers;
               const std::string first = layers + "0.", second = layers + "1.";
               for (const auto& [name, tensor] : tensors) {
                 if (!name.starts_with(first)) continue;
                 const auto other = second + name.substr(first.size());
                 auto here = tensors.at(other), there = tensor;
                 here.name = name;
                 there.name = other;
                 checkpoint.replace(here);
                 checkpoint.replace(there);
               }
             }));
}
