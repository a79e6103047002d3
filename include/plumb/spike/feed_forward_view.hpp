#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "plumb/core/errors.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/model/activation.hpp"
#include "plumb/model/feed_forward.hpp"
#include "plumb/model/layer.hpp"
#include "plumb/model/norm.hpp"

/// What the quadratic analyses look at: three matrices and the gain of the norm in front of them.
namespace plumb::spike {

/// Why F_k(x) + F_k(-x) = x' S_k x does not hold of a block, if it does not.
enum class Obstacle {
  none,
  no_block,    ///< the matrices are empty: the layer has no feed-forward block
  no_gate,     ///< F = W_down act(W_up x): there is no product of two projections
  input_bias,  ///< a bias on the gate or up projection; S_k exists but is not the even part of F_k
  not_finite,  ///< a weight or a gain is NaN or infinite, or a result overflows
};

constexpr const char* to_string(Obstacle obstacle) {
  switch (obstacle) {
    case Obstacle::none: return "none";
    case Obstacle::no_block: return "the layer has no feed-forward block";
    case Obstacle::no_gate: return "the feed-forward block has no gate";
    case Obstacle::input_bias: return "the gate or up projection has a bias";
    case Obstacle::not_finite: return "a weight or a result is NaN or infinite";
  }
  return "?";
}

/// What x a view reads, given the residual h: the norm of h without what is folded.
enum class Folded {
  nothing,    ///< x is what the block reads: there is no norm, or it has a bias
  rms_gain,   ///< x = h / rho; the gain of RMSNorm is folded into the weights
  tanh_gain,  ///< x = tanh(alpha h); the gain of DynamicTanh is folded, its alpha is not
};

constexpr const char* to_string(Folded folded) {
  switch (folded) {
    case Folded::nothing: return "no gain is folded";
    case Folded::rms_gain: return "the gain of RMSNorm is folded";
    case Folded::tanh_gain: return "the gain of DynamicTanh is folded, its alpha is not";
  }
  return "?";
}

namespace detail {

/// A norm whose gain can be folded into what reads it: it has one, and no bias beside it.
template <class Kind>
inline constexpr bool kFolds =
    requires(Kind kind) { kind.gain; } && !requires(Kind kind) { kind.bias; };

}  // namespace detail

/// F(x) = W_down (act(z) .* y), z = W_gate (g .* x), y = W_up (g .* x), without copying weights.
/// x is u = h / rho after RMSNorm, tanh(alpha h) after DynamicTanh, the block's input otherwise:
/// see ungained(). A bias of W_down is left out: it is a constant beside the form.
/// The weights must outlive the view. Construction reads them once, to find NaN and infinities.
/// Throws shape_error when the matrices do not fit each other.
template <class T>
struct FeedForwardView {
  using Weights = Eigen::Map<const Matrix<T>>;

  Weights gate;    ///< W_gate (f, hidden), as stored
  Weights up;      ///< W_up (f, hidden), as stored
  Weights down;    ///< W_down (channels, f)
  Vector<T> gain;  ///< g (hidden)
  Folded folded = Folded::nothing;
  Obstacle obstacle = Obstacle::none;
  /// Any with act(z) - act(-z) = z and act(z) / z in [0, 1]: SiLU, both GELUs, ReLU.
  double (*activation)(const double&) = &silu<double>;

  /// Matrices in memory of your own, and the gain of the norm in front.
  FeedForwardView(const Weights& w_gate, const Weights& w_up, const Weights& w_down,
                  Vector<T> norm_gain)
      : gate(w_gate), up(w_up), down(w_down), gain(std::move(norm_gain)) {
    inspect();
  }

  /// Three matrices of your own, and the gain of the norm in front.
  FeedForwardView(const Matrix<T>& w_gate, const Matrix<T>& w_up, const Matrix<T>& w_down,
                  Vector<T> norm_gain)
      : FeedForwardView(map(w_gate), map(w_up), map(w_down), std::move(norm_gain)) {}

  /// Three matrices of your own, with a gain of ones.
  FeedForwardView(const Matrix<T>& w_gate, const Matrix<T>& w_up, const Matrix<T>& w_down)
      : FeedForwardView(w_gate, w_up, w_down, Vector<T>::Ones(w_up.cols())) {}

  /// A block, and the gain of the norm in front of it.
  FeedForwardView(const FeedForward<T>& block, Vector<T> norm_gain)
      : FeedForwardView(block.gate, block.up, block.down, std::move(norm_gain)) {
    activation = scalar_activation(block.activation);
    const bool biased = block.gate_bias.size() > 0 || block.up_bias.size() > 0;
    if (biased && obstacle == Obstacle::none) obstacle = Obstacle::input_bias;
  }

  /// A block, read without a norm.
  explicit FeedForwardView(const FeedForward<T>& block)
      : FeedForwardView(block, Vector<T>::Ones(block.up.cols())) {}

  /// A block and the norm in front of it.
  FeedForwardView(const FeedForward<T>& block, const Norm<T>& norm)
      : FeedForwardView(block, foldable_gain(norm, block.up.cols())) {
    folded = what_is_folded(norm);
  }

  /// The feed-forward block of a layer with its norm.
  explicit FeedForwardView(const Layer<T>& layer)
      : FeedForwardView(layer.feed_forward, layer.feed_forward_pre_norm) {}

  // A view of a temporary would outlive it.
  FeedForwardView(Matrix<T>&&, Matrix<T>&&, Matrix<T>&&) = delete;
  explicit FeedForwardView(FeedForward<T>&&) = delete;
  FeedForwardView(FeedForward<T>&&, Vector<T>) = delete;
  FeedForwardView(FeedForward<T>&&, const Norm<T>&) = delete;
  explicit FeedForwardView(Layer<T>&&) = delete;

  Index hidden() const { return up.cols(); }
  Index neurons() const { return up.rows(); }
  Index channels() const { return down.rows(); }

  /// F_k(x) + F_k(-x) = x' S_k x holds.
  bool applicable() const { return obstacle == Obstacle::none; }

  /// There is an S_k, whether or not it is the even part of F_k.
  bool has_form() const { return obstacle == Obstacle::none || obstacle == Obstacle::input_bias; }

 private:
  void inspect() {
    constexpr const char* function = "FeedForwardView";
    require_size(function, "columns of down", down.cols(), up.rows());
    require_size(function, "gain", gain.size(), up.cols());
    if (gate.size() > 0 || up.size() == 0) {
      require_size(function, "rows of gate", gate.rows(), up.rows());
      require_size(function, "columns of gate", gate.cols(), up.cols());
    }
    if (up.size() == 0 || down.size() == 0) {
      obstacle = Obstacle::no_block;
    } else if (gate.size() == 0) {
      obstacle = Obstacle::no_gate;
    } else if (!(gate.allFinite() && up.allFinite() && down.allFinite() && gain.allFinite())) {
      obstacle = Obstacle::not_finite;
    }
  }

  static auto scalar_activation(Activation kind) -> double (*)(const double&) {
    switch (kind) {
      case Activation::silu: break;
      case Activation::gelu: return &gelu<double>;
      case Activation::gelu_tanh: return &gelu_tanh<double>;
      case Activation::relu: return &relu<double>;
    }
    return &silu<double>;
  }

  static Weights map(const Matrix<T>& m) { return {m.data(), m.rows(), m.cols()}; }

  static Vector<T> foldable_gain(const Norm<T>& norm, Index hidden) {
    return std::visit(
        [&](const auto& kind) -> Vector<T> {
          if constexpr (detail::kFolds<std::decay_t<decltype(kind)>>) return kind.gain;
          return Vector<T>::Ones(hidden);
        },
        norm.kind);
  }

  static Folded what_is_folded(const Norm<T>& norm) {
    if (std::holds_alternative<RmsNorm<T>>(norm.kind)) return Folded::rms_gain;
    if (std::holds_alternative<DynamicTanh<T>>(norm.kind)) return Folded::tanh_gain;
    return Folded::nothing;
  }
};

/// The norm without the gain that a view folds: its value at h is the x that the view reads.
/// A norm with a bias is returned as it is, because nothing of it is folded.
template <class T>
Norm<T> ungained(Norm<T> norm) {
  std::visit(
      [](auto& kind) {
        if constexpr (detail::kFolds<std::decay_t<decltype(kind)>>) kind.gain.setOnes();
      },
      norm.kind);
  return norm;
}

/// What the neurons make of one x, in double.
struct Projections {
  Vector<double> gate;    ///< z = W_gate x
  Vector<double> up;      ///< y = W_up x
  Vector<double> hidden;  ///< act(z) .* y
};

/// Throws shape_error when x does not fit or is not finite, or when the view has no form.
template <class T>
Projections project(const FeedForwardView<T>& view, const VectorRef<double>& x);

namespace detail {

/// Throws shape_error for a vector of another size, or with NaN or infinity.
inline void require_vector(const char* function, const char* argument, const VectorRef<double>& v,
                           Index size) {
  require_size(function, argument, v.size(), size);
  if (v.allFinite()) return;
  throw shape_error(std::string(function) + ": " + argument + " has NaN or infinite entries");
}

/// Throws shape_error, with the reason, for a view that has no S_k.
template <class T>
void require_form(const char* function, const FeedForwardView<T>& view) {
  if (view.has_form()) return;
  throw shape_error(std::string(function) + ": " + to_string(view.obstacle));
}

}  // namespace detail

template <class T>
Projections project(const FeedForwardView<T>& view, const VectorRef<double>& x) {
  detail::require_form("project", view);
  detail::require_vector("project", "x", x, view.hidden());
  const Vector<double> scaled = view.gain.template cast<double>().cwiseProduct(x);
  Projections at{Vector<double>(view.neurons()), Vector<double>(view.neurons()),
                 Vector<double>(view.neurons())};
  for (Index j = 0; j < view.neurons(); ++j) {
    at.gate[j] = view.gate.row(j).transpose().template cast<double>().dot(scaled);
    at.up[j] = view.up.row(j).transpose().template cast<double>().dot(scaled);
    at.hidden[j] = view.activation(at.gate[j]) * at.up[j];
  }
  return at;
}

}  // namespace plumb::spike
