#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "plumb/core/array.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/trace/trace.hpp"
#include "plumb/weights/checkpoint.hpp"
#include "plumb/weights/safetensors.hpp"
#include "plumb/weights/tensor.hpp"
#include "plumb/weights/token_ids.hpp"

/// Golden forward passes: what independent implementations computed of the same checkpoints. See
/// tests/fixtures/PROVENANCE.md.
namespace plumb::test {

/// How far a row of a forward pass in float may be from its golden row, relative to the largest
/// entry of the golden row.
inline constexpr double kGoldenBoundFloat = 1e-5;

/// The same for a pass in double. Goldens are stored in float, and some were computed in float.
inline constexpr double kGoldenBoundDouble = 1.5e-6;

/// The same for rows of attention maps against goldens that transformers computed in float. Its
/// rotary angles, up to 23 radians in our texts, are rounded to float, which moves them by up to
/// 2^-20 = 0.95e-6, and logits with them, beside the roundings that all rows have. A pass in
/// float64 by tests/fixtures/plumb/generate.py is as far from these goldens.
inline constexpr double kGoldenBoundMaps = kGoldenBoundDouble + 0x1p-20;

/// The same for a pass in double against a golden that was computed in double: the rounding of its
/// entries to float, and a millionth of it for what double loses.
inline constexpr double kGoldenRounding = 0x1p-24 * (1 + 1e-6);

template <class T>
inline constexpr double golden_bound =
    std::is_same_v<T, float> ? kGoldenBoundFloat : kGoldenBoundDouble;

inline const std::filesystem::path kFixtures =
    std::filesystem::path(PLUMB_SOURCE_DIR) / "tests/fixtures";

/// A checkpoint, and the golden of its forward pass.
struct GoldenCase {
  std::string name;              ///< the golden's folder, below the folder that was searched
  std::filesystem::path model;   ///< the folder of the checkpoint
  std::filesystem::path golden;  ///< the file
};

/// The cases of tests/fixtures: plumb/*, hf/*, and tiny-llama, whose checkpoint is the bundled one.
inline std::vector<GoldenCase> golden_fixtures() {
  std::vector<GoldenCase> cases;
  for (const std::string family : {"plumb", "hf"}) {
    for (const auto& entry : std::filesystem::directory_iterator(kFixtures / family)) {
      if (!entry.is_directory()) continue;
      cases.push_back({family + "/" + entry.path().filename().string(), entry.path(),
                       entry.path() / "golden.safetensors"});
    }
  }
  cases.push_back({"tiny-llama",
                   std::filesystem::path(PLUMB_SOURCE_DIR) / "examples/models/tiny-llama",
                   kFixtures / "tiny-llama" / "golden.safetensors"});
  std::sort(cases.begin(), cases.end(),
            [](const GoldenCase& a, const GoldenCase& b) { return a.name < b.name; });
  return cases;
}

/// The case of the bundled checkpoint, which is trained.
inline GoldenCase bundled_golden() {
  for (const auto& one : golden_fixtures()) {
    if (one.name == "tiny-llama") return one;
  }
  throw load_error(kFixtures.string(), "lacks tiny-llama");
}

/// What a golden.safetensors holds. T tokens, L layers.
struct Golden {
  TokenIds ids;
  std::vector<Matrix<double>> hidden;                  ///< 0..L, (T, hidden); the last is normed
  std::vector<std::vector<Matrix<double>>> attention;  ///< layer, head: (T, T)
  Matrix<double> logits;                               ///< (T, vocab_size)

  Index tokens() const { return static_cast<Index>(ids.size()); }
};

namespace detail {

/// A tensor (1, ..., columns) as the matrix of its rows.
inline Matrix<double> golden_rows(const Checkpoint& file, const std::string& name,
                                  const std::vector<Index>& shape) {
  Tensor tensor = file.tensor(name);
  if (tensor.shape != shape) {
    throw load_error(tensor.file, name + " has shape " + to_string(tensor.shape) + ", expected " +
                                      to_string(shape));
  }
  tensor.shape = {tensor.size() / shape.back(), shape.back()};
  return read_matrix<double>(tensor);
}

}  // namespace detail

/// Reads a golden of a model of this architecture. Every tensor of the file is read; throws
/// load_error when there is one more, one less, or one of another shape.
inline Golden read_golden(const std::filesystem::path& path, const Architecture& architecture) {
  const Checkpoint file{path.string(), {}, read_safetensors(path)};
  const Tensor& ids = file.tensor("input_ids");
  if (ids.dtype != Dtype::i64 || ids.shape.size() != 2 || ids.shape[0] != 1) {
    throw load_error(path.string(), "input_ids is no I64 of shape (1, T)");
  }
  Golden golden;
  for (std::size_t t = 0; t < static_cast<std::size_t>(ids.shape[1]); ++t) {
    golden.ids.push_back(
        static_cast<TokenId>(read_element<std::int64_t>(ids.dtype, ids.bytes.data(), t)));
  }
  const Index tokens = golden.tokens();
  for (Index l = 0; l <= architecture.layers; ++l) {
    golden.hidden.push_back(detail::golden_rows(file, "hidden." + std::to_string(l),
                                                {1, tokens, architecture.hidden_size}));
  }
  for (Index l = 0; l < architecture.layers; ++l) {
    const Matrix<double> maps = detail::golden_rows(file, "attn." + std::to_string(l),
                                                    {1, architecture.heads, tokens, tokens});
    auto& layer = golden.attention.emplace_back();
    for (Index h = 0; h < architecture.heads; ++h) {
      layer.push_back(maps.middleRows(h * tokens, tokens));
    }
  }
  golden.logits = detail::golden_rows(file, "logits", {1, tokens, architecture.vocab_size});

  const auto read = 2 + golden.hidden.size() + golden.attention.size();
  if (file.tensors.size() != read) {
    throw load_error(path.string(), "holds " + std::to_string(file.tensors.size()) +
                                        " tensors, of which " + std::to_string(read) +
                                        " are compared");
  }
  return golden;
}

/// The golden of the tokens from `first` on, seen on their own: rows only, without the maps.
inline Golden golden_tail(const Golden& golden, Index first) {
  const Index rows = golden.tokens() - first;
  Golden tail;
  tail.ids.assign(golden.ids.begin() + first, golden.ids.end());
  for (const auto& hidden : golden.hidden) tail.hidden.push_back(hidden.bottomRows(rows));
  tail.logits = golden.logits.bottomRows(rows);
  return tail;
}

/// The largest error of a row relative to the golden row's largest entry, and where it is. Rows
/// that are not finite are infinitely wrong.
struct GoldenError {
  double value = 0;
  std::string where = "nothing compared";

  template <class T>
  void compare(const std::string& name, const Matrix<T>& got, const Matrix<double>& want) {
    if (got.rows() != want.rows() || got.cols() != want.cols()) {
      value = std::numeric_limits<double>::infinity();
      where = name + " has another shape";
      return;
    }
    for (Index t = 0; t < got.rows(); ++t) {
      const RowVector<double> off = got.row(t).template cast<double>() - want.row(t);
      const double size = want.row(t).cwiseAbs().maxCoeff();
      double error = off.isZero(0) ? 0 : off.cwiseAbs().maxCoeff() / size;
      if (!off.allFinite()) error = std::numeric_limits<double>::infinity();
      if (error < value) continue;
      value = error;
      where = name + " row " + std::to_string(t);
    }
  }
};

/// Errors of a pass, by what is compared.
struct GoldenErrors {
  GoldenError hidden, attention, logits;

  const GoldenError& worst() const {
    const GoldenError& other = hidden.value < attention.value ? attention : hidden;
    return other.value < logits.value ? logits : other;
  }
};

/// A trace against a golden, of which the last hidden state is after the final norm.
template <class T>
GoldenErrors golden_errors(const Trace<T>& trace, const Golden& golden) {
  GoldenErrors errors;
  for (std::size_t l = 0; l + 1 < golden.hidden.size(); ++l) {
    errors.hidden.compare("hidden." + std::to_string(l), trace.residual.at(l), golden.hidden[l]);
  }
  errors.hidden.compare("hidden." + std::to_string(golden.hidden.size() - 1), trace.final_norm,
                        golden.hidden.back());
  for (std::size_t l = 0; l < golden.attention.size(); ++l) {
    for (std::size_t h = 0; h < golden.attention[l].size(); ++h) {
      const Matrix<T> map = slice(trace.attention.at(l), static_cast<Index>(h));
      errors.attention.compare("attn." + std::to_string(l) + " head " + std::to_string(h), map,
                               golden.attention[l][h]);
    }
  }
  errors.logits.compare("logits", trace.logits, golden.logits);
  return errors;
}

}  // namespace plumb::test
