#include <cstdio>
#include <plumb/plumb.hpp>

int main() {
  const auto checkpoint = plumb::Checkpoint::open("examples/models/tiny-llama");
  const plumb::Decoder<float> model(checkpoint);
  const auto ids = plumb::read_ids(checkpoint.path + "/ids.npy");
  const auto trace = plumb::trace(model, ids);

  const auto outliers = plumb::spike::find_outliers(trace.residual);
  const auto life = plumb::spike::life_cycle(trace, outliers);
  std::printf("%s: %.0f times the median\n", to_string(outliers.tier), outliers.top.ratio());
  for (const auto& step : life.step_up) {
    if (step.block != plumb::Block::feed_forward) continue;
    const auto layer = model.layer(step.layer);
    const auto read = layer.feed_forward_pre_norm.value(trace.middle(step.layer));
    const plumb::FeedForward<float>& block = layer.feed_forward;
    const auto jacobian = block.jacobian(read.row(step.position).transpose());
    std::printf("layer %td, token %td, channel %td: write %.1f, slope %.1f\n", step.layer,
                step.position, step.channel, step.write, jacobian.row(step.channel).norm());
  }
  const auto sinks = plumb::sink::sink_ratios(plumb::sink::attention_received(trace));
  std::printf("%.0f%% of %td heads are sinks on the first token\n", 100 * sinks.first_token,
              sinks.heads);
}
