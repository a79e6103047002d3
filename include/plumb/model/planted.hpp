#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/model/activation.hpp"
#include "plumb/weights/checkpoint.hpp"
#include "plumb/weights/tensor_names.hpp"

/// Planted models: small checkpoints in which spikes and sinks are put by hand, so that what an
/// analysis should find is known before it runs. Everything is a closed formula (ours):
///
///   ordinary token   e = sqrt(d) (0.6 m + 0.8 r)               m the same for all, r random
///   spike token j    e = sqrt(d) (c_j s + 0.3 m_j + rest r)     s the spike direction
///   step-up          one neuron g = u = beta s, whose W_down column lies on the spike channels:
///                    F = p w (s.x)(s.x beta^2) sigma(beta s.x), so size_j ~ w beta^2 d c_j^2
///   plateau          x is sqrt(d) p/||p|| on the spike channels, whatever the size
///   sink heads       keys read p (spike tokens only), queries read m (ordinary tokens only)
///   step-down        one neuron a spike token: its gate reads p, its up row the marker m_j,
///                    scaled by the known rho_j so that the write is -size_j p
///
/// s, m, m_j and the spike channels are orthogonal, and no other block writes into them. Norm gains
/// are random, and folded out of the matrices that read. The rest is Gaussian noise.
namespace plumb::planted {

struct SinkHead {
  Index layer;
  Index head;
};

/// What to plant. Token ids 0 .. spike_sizes.size() - 1 are the spike tokens, 0 is the start token.
struct Plan {
  Index hidden_size = 64;
  Index layers = 6;
  Index heads = 4;
  Index kv_heads = 2;
  Index head_dim = 16;
  Index feed_forward_size = 32;
  Index vocab_size = 64;
  Index step_up_layer = 1;
  std::optional<Index> step_down_layer = 4;          ///< later than step_up_layer
  std::vector<double> spike_sizes = {3000, 1800};    ///< of each spike token, in the first channel
  std::vector<double> channel_ratios = {1.0, -0.6};  ///< of each spike channel to the first
  std::vector<SinkHead> sink_heads = {{2, 0}, {3, 3}};  ///< on the plateau: after the step-up
  double sink_logit = 8;  ///< of an ordinary query on a spike key; other logits are 0
  double noise = 0.005;   ///< standard deviation of what other neurons and heads write
  unsigned seed = 1;
};

/// A planted checkpoint and what is true of it.
struct Model {
  Checkpoint checkpoint;
  Plan plan;
  Vector<double> direction;     ///< s, unit
  std::vector<Index> channels;  ///< spike channels, in the order of channel_ratios
  Index neuron = 0;             ///< the neuron that amplifies, in layer step_up_layer
};

inline constexpr double kCommonShare = 0.6;    ///< of m in an ordinary embedding
inline constexpr double kMarkerShare = 0.3;    ///< of m_j in a spike embedding
inline constexpr double kLargestCosine = 0.9;  ///< of s in the embedding of the largest spike
inline constexpr double kBeta =
    8;  ///< ||g|| = ||u||: gates are open to 1 - 1e-6 for cosines >= 0.22

namespace detail {

/// Draws the pieces and keeps the directions that noise must not touch.
class Builder {
 public:
  explicit Builder(const Plan& plan) : plan_(plan), random_(plan.seed) {
    check();
    draw_channels();
    protected_ = Matrix<double>::Zero(0, plan.hidden_size);
    for (const Index k : channels_) {
      protect(Vector<double>::Unit(plan.hidden_size, k));
    }
    direction_ = draw_direction();
    common_ = draw_direction();
    for (std::size_t j = 0; j < plan.spike_sizes.size(); ++j) {
      markers_.push_back(draw_direction());
    }
    pattern_ = Vector<double>::Zero(plan.hidden_size);
    for (std::size_t c = 0; c < channels_.size(); ++c) {
      pattern_[channels_[c]] = plan.channel_ratios[c];
    }
  }

  Model build() {
    Model model{{"memory", architecture(), {}}, plan_, direction_, channels_, 0};
    auto& checkpoint = model.checkpoint;
    const auto put = [&](const std::string& name, const Matrix<double>& m) {
      checkpoint.replace(make_tensor<double>(name, m));
    };
    const auto put_norm = [&](const std::string& stem) {
      Vector<double> gain(plan_.hidden_size);
      for (auto& g : gain) g = std::exp(0.2 * normal_(random_));
      checkpoint.replace(make_tensor<double>(stem + ".weight", gain));
      return gain;
    };
    put(kEmbeddingName, embeddings());
    for (Index layer = 0; layer < plan_.layers; ++layer) {
      const auto names = layer_names(checkpoint.architecture, layer);
      const auto fold = [](const Matrix<double>& reads, const Vector<double>& gain) {
        return Matrix<double>(reads * gain.cwiseInverse().asDiagonal());
      };
      const auto attention_gain = put_norm(names.attention_pre_norm);
      put(names.query.tensor, fold(queries(layer), attention_gain));
      put(names.key.tensor, fold(keys(), attention_gain));
      put(names.value.tensor, gaussian(kv_size(), plan_.hidden_size, unit()));
      put(names.output.tensor, harmless(gaussian(plan_.hidden_size, query_size(), plan_.noise)));

      const auto gain = put_norm(names.feed_forward_pre_norm);
      auto gate = gaussian(plan_.feed_forward_size, plan_.hidden_size, unit());
      auto up = gaussian(plan_.feed_forward_size, plan_.hidden_size, unit());
      auto down = harmless(gaussian(plan_.hidden_size, plan_.feed_forward_size, plan_.noise));
      if (layer == plan_.step_up_layer) plant_step_up(gate, up, down);
      if (layer == plan_.step_down_layer) plant_step_down(gate, up, down);
      put(names.gate.tensor, fold(gate, gain));
      put(names.up.tensor, fold(up, gain));
      put(names.down.tensor, down);
    }
    put_norm(kFinalNormName);
    put(kHeadName, gaussian(plan_.vocab_size, plan_.hidden_size, unit()));
    return model;
  }

 private:
  void check() const {
    const auto require = [](bool met, const char* what) {
      if (!met) throw shape_error(std::string("planted::make: ") + what);
    };
    const auto spikes = static_cast<Index>(plan_.spike_sizes.size());
    const auto channels = static_cast<Index>(plan_.channel_ratios.size());
    require(spikes > 0 && spikes < plan_.vocab_size, "spike_sizes must leave ordinary tokens");
    require(spikes <= plan_.feed_forward_size, "feed_forward_size is below the spike tokens");
    require(channels > 0 && channels + spikes + 3 < plan_.hidden_size, "hidden_size is too small");
    require(plan_.channel_ratios[0] == 1, "channel_ratios must begin with 1");
    require(plan_.step_up_layer >= 0 && plan_.step_up_layer < plan_.layers,
            "step_up_layer is no layer");
    require(!plan_.step_down_layer || (*plan_.step_down_layer > plan_.step_up_layer &&
                                       *plan_.step_down_layer < plan_.layers),
            "step_down_layer is no layer after step_up_layer");
    for (const double size : plan_.spike_sizes) {
      require(size > 0 && std::isfinite(size), "spike_sizes must be positive");
    }
    require(plan_.head_dim >= 2 && plan_.head_dim % 2 == 0, "head_dim must be even");
    require(plan_.kv_heads > 0 && plan_.heads % plan_.kv_heads == 0, "kv_heads must divide heads");
    for (const auto& sink : plan_.sink_heads) {
      require(sink.layer > plan_.step_up_layer &&
                  sink.layer <= plan_.step_down_layer.value_or(plan_.layers) &&
                  sink.layer < plan_.layers && sink.head >= 0 && sink.head < plan_.heads,
              "a sink head is off the plateau");
    }
  }

  Architecture architecture() const {
    Architecture a;
    a.family = "plumb";
    a.layers = plan_.layers;
    a.hidden_size = plan_.hidden_size;
    a.feed_forward_size = plan_.feed_forward_size;
    a.heads = plan_.heads;
    a.kv_heads = plan_.kv_heads;
    a.head_dim = plan_.head_dim;
    a.vocab_size = plan_.vocab_size;
    a.context_length = 4096;
    a.norm_eps = 1e-6;
    a.attention_scale = 1 / std::sqrt(static_cast<double>(plan_.head_dim));
    a.rotary_theta = 1e9;  // the slowest plane, where sink keys lie, does not turn within a text
    a.bos_token_id = 0;
    return a;
  }

  Index query_size() const { return plan_.heads * plan_.head_dim; }
  Index kv_size() const { return plan_.kv_heads * plan_.head_dim; }
  double width() const { return std::sqrt(static_cast<double>(plan_.hidden_size)); }
  double unit() const { return 1 / width(); }

  Matrix<double> gaussian(Index rows, Index cols, double deviation) {
    Matrix<double> m(rows, cols);
    for (auto& value : m.reshaped()) value = deviation * normal_(random_);
    return m;
  }

  void draw_channels() {
    std::vector<Index> all(static_cast<std::size_t>(plan_.hidden_size));
    std::iota(all.begin(), all.end(), Index{0});
    std::shuffle(all.begin(), all.end(), random_);
    channels_.assign(all.begin(),
                     all.begin() + static_cast<std::ptrdiff_t>(plan_.channel_ratios.size()));
  }

  void protect(const Vector<double>& direction) {
    protected_.conservativeResize(protected_.rows() + 1, Eigen::NoChange);
    protected_.row(protected_.rows() - 1) = direction.transpose();
  }

  /// `v` without its part along the protected directions (an orthonormal list).
  Vector<double> clean(Vector<double> v) const {
    for (int pass = 0; pass < 2; ++pass) v -= protected_.transpose() * (protected_ * v);
    for (const Index k : channels_) v[k] = 0;  // exactly
    return v;
  }
  Vector<double> random_unit() {
    return clean(gaussian(1, plan_.hidden_size, 1).row(0).transpose()).normalized();
  }
  Vector<double> draw_direction() {
    const Vector<double> v = random_unit();
    protect(v);
    return v;
  }

  /// Columns that write: cleaned of protected directions.
  Matrix<double> harmless(Matrix<double> writes) const {
    for (Index j = 0; j < writes.cols(); ++j) writes.col(j) = clean(writes.col(j));
    return writes;
  }

  double cosine(std::size_t j) const {
    const double largest = *std::max_element(plan_.spike_sizes.begin(), plan_.spike_sizes.end());
    return kLargestCosine * std::sqrt(plan_.spike_sizes[j] / largest);
  }

  Matrix<double> embeddings() {
    Matrix<double> table(plan_.vocab_size, plan_.hidden_size);
    for (Index id = 0; id < plan_.vocab_size; ++id) {
      const Vector<double> rest = random_unit();
      const auto j = static_cast<std::size_t>(id);
      Vector<double> e;
      if (j < plan_.spike_sizes.size()) {
        const double c = cosine(j);
        e = c * direction_ + kMarkerShare * markers_[j] +
            std::sqrt(1 - c * c - kMarkerShare * kMarkerShare) * rest;
      } else {
        e = kCommonShare * common_ + std::sqrt(1 - kCommonShare * kCommonShare) * rest;
      }
      table.row(id) = width() * e.transpose();
    }
    return table;
  }

  /// Sink heads read the common part of ordinary tokens in the slowest rotary plane.
  Matrix<double> queries(Index layer) const {
    Matrix<double> w = Matrix<double>::Zero(query_size(), plan_.hidden_size);
    for (const auto& sink : plan_.sink_heads) {
      if (sink.layer != layer) continue;
      const double scale = architecture().attention_scale;
      w.row(sink.head * plan_.head_dim + slowest_plane()) =
          plan_.sink_logit / (scale * width() * kCommonShare) * common_.transpose();
    }
    return w;
  }
  /// Keys read the spike channels: of norm one for spike tokens on the plateau, else zero.
  Matrix<double> keys() const {
    Matrix<double> w = Matrix<double>::Zero(kv_size(), plan_.hidden_size);
    for (Index head = 0; head < plan_.kv_heads; ++head) {
      w.row(head * plan_.head_dim + slowest_plane()) = unit() * pattern_.normalized().transpose();
    }
    return w;
  }
  Index slowest_plane() const { return plan_.head_dim / 2 - 1; }

  void plant_step_up(Matrix<double>& gate, Matrix<double>& up, Matrix<double>& down) const {
    const double largest = *std::max_element(plan_.spike_sizes.begin(), plan_.spike_sizes.end());
    const double z = kBeta * width() * kLargestCosine;
    gate.row(0) = kBeta * direction_.transpose();
    up.row(0) = kBeta * direction_.transpose();
    down.col(0) = largest / (silu(z) * z) * pattern_;
  }

  void plant_step_down(Matrix<double>& gate, Matrix<double>& up, Matrix<double>& down) const {
    for (std::size_t j = 0; j < plan_.spike_sizes.size(); ++j) {
      const auto row = static_cast<Index>(j);
      const double size = plan_.spike_sizes[j] * pattern_.norm();
      const double rho = std::sqrt((size * size + width() * width())) / width();
      const double z = kBeta * size / rho;
      gate.row(row) = kBeta * pattern_.normalized().transpose();
      up.row(row) = rho / (width() * kMarkerShare) * markers_[j].transpose();
      down.col(row) = -plan_.spike_sizes[j] / silu(z) * pattern_;
    }
  }

  Plan plan_;
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  std::vector<Index> channels_;
  Matrix<double> protected_;  // orthonormal rows
  Vector<double> direction_, common_, pattern_;
  std::vector<Vector<double>> markers_;
};

}  // namespace detail

/// Builds the checkpoint of a plan; the same plan gives the same bits. With noise 0 the sizes hold
/// to rounding and gate saturation; with noise the norm of the other coordinates moves them:
/// by up to 2 % at the default, and a step-down leaves up to 4 % (largest seen over 100 seeds).
/// Throws shape_error when a plan cannot be built.
inline Model make(const Plan& plan = {}) { return detail::Builder(plan).build(); }

}  // namespace plumb::planted
