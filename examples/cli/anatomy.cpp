#include "plumb/report/anatomy.hpp"

#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "inputs.hpp"
#include "options.hpp"
#include "output.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/report/amplifier.hpp"
#include "plumb/report/anatomy_json.hpp"
#include "plumb/report/anatomy_text.hpp"
#include "plumb/sink/importance.hpp"
#include "plumb/trace/trace.hpp"
#include "plumb/trace/trace_file.hpp"
#include "progress.hpp"

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
  for (const auto& ids : inputs.texts) {
    plumb::sink::AttentionReceived received(model.architecture().layers, model.architecture().heads,
                                            static_cast<plumb::Index>(ids.size()));
    Progress progress(options.quiet);
    const auto tell = [&](plumb::Index layer, plumb::site::residual, plumb::Matrix<float>&) {
      progress.show("layer " + std::to_string(layer) + " of " +
                    std::to_string(model.architecture().layers));
    };
    const auto trace =
        plumb::trace(model, ids, plumb::TraceOptions{.attention = !options.trace.empty()},
                     plumb::taps{std::ref(received), tell});
    auto& text = texts.emplace_back(plumb::report::dissect(trace, received));
    text.amplifiers = plumb::report::amplifiers(model, trace, text.outliers, text.life);
    if (!options.trace.empty()) {
      write_file(options.trace, [&](std::ostream& out) { plumb::write_trace(out, trace); });
    }
  }

  const auto anatomy = plumb::report::combine(texts);
  const auto names = inputs.token_texts(anatomy.shown.ids);
  if (options.json != "-") {
    plumb::report::print(std::cout, anatomy, checkpoint, names, inputs.bos_prepended);
  }
  write_json(options.json, plumb::report::dump(plumb::report::to_json(anatomy, checkpoint, names,
                                                                      inputs.bos_prepended)));
  return 0;
}
