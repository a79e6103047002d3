// A tap reads and edits a forward pass. Here: what the attention sinks of the bundled model look
// like when the block that writes the spike is silenced at the start token.
#include <cstdio>
#include <functional>

#include "plumb/model/decoder.hpp"
#include "plumb/sink/importance.hpp"
#include "plumb/weights/token_ids.hpp"

namespace {

using namespace plumb;

double sink_ratio(const Decoder<float>& model, const TokenIds& ids, auto edit) {
  const auto& a = model.architecture();
  sink::AttentionReceived received(a.layers, a.heads, static_cast<Index>(ids.size()));
  model.forward(ids, taps{std::ref(received), edit});
  return sink::sink_ratios(received).first_token;
}

}  // namespace

int main() {
  const Decoder<float> model(Checkpoint::open("examples/models/tiny-llama"));
  const auto ids = read_ids("examples/models/tiny-llama/ids.npy");
  const double before = sink_ratio(model, ids, NoTap{});
  const double after =
      sink_ratio(model, ids, [](Index layer, site::feed_forward_write, Matrix<float>& write) {
        if (layer == 0) write.row(0).setZero();
      });
  std::printf("sink heads: %.0f %% as trained, %.0f %% without the spike\n", 100 * before,
              100 * after);
}
