#include <algorithm>
#include <iostream>
#include <vector>

#include "inputs.hpp"
#include "options.hpp"
#include "output.hpp"
#include "plumb/claims/all.hpp"
#include "plumb/model/decoder.hpp"
#include "plumb/report/anatomy_json.hpp"
#include "plumb/report/claims_json.hpp"
#include "plumb/report/claims_text.hpp"
#include "plumb/trace/trace.hpp"

int run_claims(const Options& options) {
  constexpr int kViolated = 1;
  // In double: both sides are then exact to 1e-12 or so, whatever the weights are stored in.
  const plumb::Decoder<double> model(plumb::Checkpoint::open(model_folder(options)));
  const auto inputs = read_inputs(options, model.checkpoint());
  if (!options.json.empty() && options.json != "-") require_writable(options.json);

  std::vector<plumb::claims::Result> results;
  for (const auto& ids : inputs.texts) {
    const auto trace =
        plumb::trace(model, ids, plumb::TraceOptions{.attention = false, .logits = false});
    const auto found = plumb::claims::check_all(model, trace);
    if (results.empty()) {
      results = found;
    } else {
      plumb::claims::merge(results, found);
    }
  }

  if (options.json != "-") {
    std::cout << plumb::report::model_line(model.checkpoint()) << "\n\n";
    plumb::report::print(std::cout, results);
  }
  write_json(options.json, plumb::report::to_json(results, model.checkpoint()));
  const bool violated = std::any_of(results.begin(), results.end(), [](const auto& result) {
    return result.verdict() == plumb::claims::Verdict::violated;
  });
  return violated ? kViolated : 0;
}
