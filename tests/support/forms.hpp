#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "plumb/core/linalg.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/spike/feed_forward_view.hpp"
#include "plumb/spike/quadratic_form.hpp"
#include "plumb/trace/trace.hpp"
#include "support/close.hpp"
#include "support/generators.hpp"

/// Feed-forward blocks to look for quadratic forms in: drawn, planted and trained.
namespace plumb::test {

/// Three matrices and a gain that outlive the views of them.
template <class T>
struct Weights {
  Matrix<T> gate, up, down;
  Vector<T> gain;

  spike::FeedForwardView<T> view() const { return {gate, up, down, gain}; }
  spike::QuadraticForm<T> form(Index k) const { return spike::quadratic_form(view(), k); }
};

template <class T>
Weights<T> draw_weights(Engine& engine, Index hidden, Index neurons, Index channels) {
  const double size = 1 / std::sqrt(static_cast<double>(hidden));
  return {draw_gaussian<T>(engine, neurons, hidden, size),
          draw_gaussian<T>(engine, neurons, hidden, size),
          draw_gaussian<T>(engine, channels, neurons),
          draw_gaussian<T>(engine, 1, hidden).row(0).transpose().cwiseAbs()};
}

template <class T>
rc::Gen<Weights<T>> some_weights(Index hidden, Index neurons, Index channels) {
  return rc::gen::map(rc::gen::tuple(weights<T>(neurons, hidden), weights<T>(neurons, hidden),
                                     gaussian<T>(channels, neurons), gaussian_vector<T>(hidden)),
                      [](std::tuple<Matrix<T>, Matrix<T>, Matrix<T>, Vector<T>> drawn) {
                        auto& [gate, up, down, gain] = drawn;
                        return Weights<T>{std::move(gate), std::move(up), std::move(down),
                                          std::move(gain)};
                      });
}

/// One neuron with w, ||g||, ||u|| of 1 and cosine c in the plane of axes a and a + 1, reading with
/// sizes `size`.
inline void plant_neuron(Weights<double>& block, Index j, Index a, double c, double size) {
  block.gate.row(j).setZero();
  block.up.row(j).setZero();
  block.gate(j, a) = size;
  block.up(j, a) = size * c;
  block.up(j, a + 1) = size * std::sqrt(1 - c * c);
}

/// U_k = sum_j w_kj g_j u_j' by its definition, an entry at a time in long double.
template <class T>
Matrix<long double> product_twin(const Weights<T>& block, Index k) {
  const Index d = block.gate.cols();
  Matrix<long double> product = Matrix<long double>::Zero(d, d);
  for (Index j = 0; j < block.gate.rows(); ++j) {
    for (Index a = 0; a < d; ++a) {
      for (Index b = 0; b < d; ++b) {
        product(a, b) +=
            static_cast<long double>(block.down(k, j)) *
            static_cast<long double>(block.gate(j, a)) * static_cast<long double>(block.gain[a]) *
            static_cast<long double>(block.up(j, b)) * static_cast<long double>(block.gain[b]);
      }
    }
  }
  return product;
}

/// S_k = (U_k + U_k') / 2.
template <class T>
Matrix<double> form_twin(const Weights<T>& block, Index k) {
  const Matrix<long double> product = product_twin(block, k);
  return ((product + product.transpose()) / 2).template cast<double>();
}

/// sum_j |w_kj| ||g_j|| ||u_j||
template <class T>
double mass_twin(const Weights<T>& block, Index k) {
  double mass = 0;
  for (Index j = 0; j < block.gate.rows(); ++j) {
    const Vector<T> g = block.gate.row(j).transpose().cwiseProduct(block.gain);
    const Vector<T> u = block.up.row(j).transpose().cwiseProduct(block.gain);
    mass += std::abs(static_cast<double>(block.down(k, j))) * g.template cast<double>().norm() *
            u.template cast<double>().norm();
  }
  return mass;
}

/// The bundled checkpoint, and every checkpoint below the folder that PLUMB_MODELS names, llama2.c
/// files included; not the fixtures there, whose weights are random.
inline std::vector<std::filesystem::path> trained_checkpoints() {
  namespace fs = std::filesystem;
  std::vector<fs::path> found{fs::path(PLUMB_SOURCE_DIR) / "examples/models/tiny-llama"};
  const char* const root = std::getenv("PLUMB_MODELS");
  if (root == nullptr) return found;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const auto& path = entry.path();
    if (path.string().find("/fixtures/") != std::string::npos) continue;
    const auto name = path.filename().string();
    if (name == "model.safetensors") found.push_back(path.parent_path());
    if (name.starts_with("stories") && path.extension() == ".bin") found.push_back(path);
  }
  std::sort(found.begin() + 1, found.end());
  return found;
}

/// The ids that a checkpoint comes with, or some.
inline TokenIds prompt_of(const Checkpoint& checkpoint) {
  const auto path = std::filesystem::path(checkpoint.path) / "ids.npy";
  if (std::filesystem::exists(path)) return read_ids(path.string());
  return {0, 1, 2};
}

/// What the feed-forward block of `layer` reads in a view, (tokens, hidden).
inline Matrix<double> readings(const Layer<double>& block, const Trace<double>& trace,
                               Index layer) {
  return spike::ungained(block.feed_forward_pre_norm).value(trace.middle(layer));
}

}  // namespace plumb::test
