#include "plumb/report/anatomy.hpp"

#include <functional>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "inputs.hpp"
#include "options.hpp"
#include "output.hpp"
#include "plumb/collapse/population.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/report/amplifier.hpp"
#include "plumb/report/anatomy_json.hpp"
#include "plumb/report/anatomy_text.hpp"
#include "plumb/report/chain.hpp"
#include "plumb/report/heads.hpp"
#include "plumb/sink/alignment.hpp"
#include "plumb/sink/chain.hpp"
#include "plumb/sink/heads.hpp"
#include "plumb/sink/importance.hpp"
#include "plumb/trace/trace.hpp"
#include "plumb/trace/trace_file.hpp"
#include "progress.hpp"

namespace {

/// The explanations of the strongest keys. `first` explains token 0 in every head; where sink heads
/// rest elsewhere, it takes a second pass that knows where.
plumb::sink::HeadExplainer explain(const plumb::Decoder<float>& model, const plumb::TokenIds& ids,
                                   const plumb::sink::AttentionReceived& received,
                                   const plumb::sink::HeadExplainer& first) {
  const auto keys = plumb::sink::keys_to_explain(received);
  if (keys.isZero(0)) return first;
  plumb::sink::HeadExplainer second(model.architecture(), keys);
  model.forward(ids, std::ref(second));
  return second;
}

}  // namespace

int run_anatomy(const Options& options) {
  const plumb::Decoder<float> model(plumb::Checkpoint::open(model_folder(options)));
  const auto& checkpoint = model.checkpoint();
  const auto inputs = read_inputs(options, checkpoint);
  if (!options.trace.empty() && inputs.texts.size() > 1) {
    throw plumb::load_error("--trace", "takes one text, but several were given");
  }
  if (options.trace == "-") throw plumb::load_error("--trace", "takes a file");
  if (!options.trace.empty() && options.trace == options.json) {
    throw plumb::load_error(options.trace, "cannot hold both --json and --trace");
  }
  for (const auto& file : {options.json, options.trace}) {
    if (!file.empty() && file != "-") require_writable(file);
  }

  std::vector<plumb::report::TextAnatomy> texts;
  plumb::collapse::Population population;
  for (const auto& ids : inputs.texts) {
    const auto& architecture = model.architecture();
    plumb::sink::AttentionReceived received(architecture.layers, architecture.heads,
                                            static_cast<plumb::Index>(ids.size()));
    plumb::sink::HeadExplainer explainer(architecture);
    Progress progress(options.quiet);
    const auto tell = [&](plumb::Index layer, plumb::site::residual, plumb::Matrix<float>&) {
      progress.show("layers", layer, architecture.layers);
    };
    const auto trace = plumb::trace(
        model, ids,
        plumb::TraceOptions{.attention = !options.trace.empty(), .inputs = true, .keys = true},
        plumb::taps{std::ref(received), std::ref(explainer), tell});
    auto text = plumb::report::dissect(trace, received);
    text.amplifiers = plumb::report::amplifiers(model, trace, text.outliers, text.life);
    text.budgets = plumb::report::block_budgets(model, trace, text.outliers, text.life);
    text.heads = plumb::report::head_reports(received, explain(model, ids, received, explainer));
    text.chains = plumb::sink::chains(trace, received,
                                      plumb::report::chain_positions(inputs.token_texts(ids)));
    text.alignments = plumb::sink::alignments(model, trace, text.life);
    plumb::collapse::add(population, trace, text.outliers);
    texts.push_back(std::move(text));
    if (!options.trace.empty()) {
      write_file(options.trace, [&](std::ostream& out) { plumb::write_trace(out, trace); });
    }
  }

  auto anatomy = plumb::report::combine(texts);
  anatomy.collapse = plumb::collapse::measure(population, model);
  const auto names = inputs.token_texts(anatomy.shown.ids);
  if (options.json != "-") {
    plumb::report::print(std::cout, anatomy, checkpoint, names, inputs.bos_prepended);
  }
  write_json(options.json,
             plumb::report::to_json(anatomy, checkpoint, names, inputs.bos_prepended));
  return 0;
}
