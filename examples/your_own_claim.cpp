// A claim of your own, held against a model as those of the library are: what a feed-forward block
// writes into a channel is at most the size of the channel's weights times that of the neurons.
#include <cmath>
#include <cstdio>

#include "plumb/claims/check.hpp"
#include "plumb/weights/token_ids.hpp"

using namespace plumb;
using namespace plumb::claims;

/// |F_k| <= ||w_k|| ||n||, n = act(z) .* y the neurons (Cauchy-Schwarz).
struct WriteByNeurons {
  static constexpr std::string_view id = "write-by-neurons";
  static constexpr auto relation = Relation::at_most;
  template <class S>
  struct Input {
    S write, row_norm, neuron_norm;
    double neurons;
  };
  template <class S>
  static S lhs(const Input<S>& in) {
    return in.write;
  }
  template <class S>
  static S rhs(const Input<S>& in) {
    return in.row_norm * in.neuron_norm;
  }
  static Objection assumptions(const Input<double>&) { return {}; }  // it always applies
  static double allowance(const Input<double>& in) { return in.neurons * 0x1p-52 * rhs(in); }
  template <class Visit>
  static void sites(const LayerRun<double>& run, const Visit& visit) {
    Index k = 0, t = 0;
    const double write = run.feed_forward_write.cwiseAbs().maxCoeff(&t, &k);
    const auto& down = run.weights.feed_forward.down;
    visit(Input<double>{write, down.row(k).norm(), run.neurons.row(t).norm(),
                        static_cast<double>(down.cols())},
          Where{.layer = run.layer, .channel = k, .position = t});
  }
};

int main() {
  const Decoder<double> model(Checkpoint::open("examples/models/tiny-llama"));
  const auto run = trace(model, read_ids("examples/models/tiny-llama/ids.npy"));
  const auto result = check<WriteByNeurons>(model, run).front();
  std::printf("%s in %td of %td layers; tightest in %s: %.1f <= %.1f\n",
              to_string(result.verdict()), result.holds, run.layers(),
              to_string(result.tightest->where).c_str(), result.tightest->lhs,
              result.tightest->rhs);
}
