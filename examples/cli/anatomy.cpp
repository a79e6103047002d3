#include "plumb/report/anatomy.hpp"

#include <chrono>
#include <functional>
#include <iostream>
#include <unistd.h>
#include <utility>
#include <vector>

#include "inputs.hpp"
#include "options.hpp"
#include "output.hpp"
#include "plumb/collapse/population.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/report/anatomy_json.hpp"
#include "plumb/report/anatomy_text.hpp"
#include "plumb/report/chain.hpp"
#include "plumb/report/heads.hpp"
#include "plumb/sink/amplifier.hpp"
#include "plumb/sink/chain.hpp"
#include "plumb/sink/heads.hpp"
#include "plumb/sink/importance.hpp"
#include "plumb/trace/trace.hpp"
#include "plumb/trace/trace_file.hpp"

namespace {

/// A tap that says how far a pass is, on a terminal, once it has taken over a second.
class Progress {
 public:
  Progress(bool quiet, plumb::Index layers)
      : shown_(!quiet && ::isatty(STDERR_FILENO) == 1), layers_(layers) {}
  ~Progress() {
    if (printed_) std::cerr << "\r\033[K";
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void operator()(plumb::Index layer, plumb::site::residual, plumb::Matrix<float>&) {
    if (!shown_ || std::chrono::steady_clock::now() - start_ < std::chrono::seconds(1)) return;
    std::cerr << "\rlayer " << layer << " of " << layers_ << std::flush;
    printed_ = true;
  }

 private:
  bool shown_;
  bool printed_ = false;
  plumb::Index layers_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

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
    Progress progress(options.quiet, architecture.layers);
    const auto trace = plumb::trace(
        model, ids,
        plumb::TraceOptions{.attention = !options.trace.empty(), .inputs = true, .keys = true},
        plumb::taps{std::ref(received), std::ref(explainer), std::ref(progress)});
    auto text = plumb::report::dissect(trace, received);
    text.heads = plumb::report::head_reports(received, explain(model, ids, received, explainer));
    text.chains = plumb::sink::chains(trace, received,
                                      plumb::report::chain_positions(inputs.token_texts(ids)));
    text.amplifiers = plumb::sink::amplifiers(model, trace, text.life);
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
  if (!options.json.empty()) {
    const auto json = plumb::report::dump(
        plumb::report::to_json(anatomy, checkpoint, names, inputs.bos_prepended));
    if (options.json == "-") {
      std::cout << json;
    } else {
      write_file(options.json, [&](std::ostream& out) { out << json; });
    }
  }
  return 0;
}
