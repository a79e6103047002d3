#include "plumb/report/anatomy.hpp"

#include <chrono>
#include <functional>
#include <iostream>
#include <unistd.h>
#include <vector>

#include "inputs.hpp"
#include "options.hpp"
#include "output.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/report/anatomy_json.hpp"
#include "plumb/report/anatomy_text.hpp"
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
  for (const auto& ids : inputs.texts) {
    plumb::sink::AttentionReceived received(model.architecture().layers, model.architecture().heads,
                                            static_cast<plumb::Index>(ids.size()));
    Progress progress(options.quiet, model.architecture().layers);
    const auto trace =
        plumb::trace(model, ids, plumb::TraceOptions{.attention = !options.trace.empty()},
                     plumb::taps{std::ref(received), std::ref(progress)});
    texts.push_back(plumb::report::dissect(trace, received));
    if (!options.trace.empty()) {
      write_file(options.trace, [&](std::ostream& out) { plumb::write_trace(out, trace); });
    }
  }

  const auto anatomy = plumb::report::combine(texts);
  const auto names = inputs.token_texts(anatomy.shown.ids);
  if (options.json != "-") {
    plumb::report::print(std::cout, anatomy, checkpoint, names, inputs.bos_prepended);
  }
  write_json(options.json,
             plumb::report::to_json(anatomy, checkpoint, names, inputs.bos_prepended));
  return 0;
}
