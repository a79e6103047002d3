#pragma once

/// Everything but the tokenizer (plumb/weights/tokenizer.hpp), which needs PCRE2. One include a
/// stage, in the order in which data flows.

// 0 vocabulary
#include "plumb/core/array.hpp"
#include "plumb/core/dense.hpp"
#include "plumb/core/errors.hpp"
#include "plumb/core/finding.hpp"
#include "plumb/core/linalg.hpp"
#include "plumb/core/parallel.hpp"

// 1 the hot loops
#include "plumb/kernels/reference.hpp"

// 2 bytes -> named tensors
#include "plumb/weights/checkpoint.hpp"
#include "plumb/weights/outline.hpp"
#include "plumb/weights/token_ids.hpp"

// 3 tensors -> functions with derivatives
#include "plumb/model/decoder.hpp"
#include "plumb/model/planted.hpp"

// 4 tokens -> every activation of one pass
#include "plumb/trace/ledger.hpp"
#include "plumb/trace/loss.hpp"
#include "plumb/trace/trace.hpp"
#include "plumb/trace/trace_file.hpp"

// 5 what the spike is, what normalisation and attention make of it
#include "plumb/collapse/census_population.hpp"
#include "plumb/collapse/population.hpp"
#include "plumb/sink/alignment.hpp"
#include "plumb/sink/chain.hpp"
#include "plumb/sink/heads.hpp"
#include "plumb/sink/importance.hpp"
#include "plumb/sink/self_sink.hpp"
#include "plumb/spike/census.hpp"
#include "plumb/spike/eigenpair.hpp"
#include "plumb/spike/eigenpairs.hpp"
#include "plumb/spike/feed_forward_view.hpp"
#include "plumb/spike/jacobian_gain.hpp"
#include "plumb/spike/joint_direction.hpp"
#include "plumb/spike/lanczos.hpp"
#include "plumb/spike/life_cycle.hpp"
#include "plumb/spike/neuron.hpp"
#include "plumb/spike/outliers.hpp"
#include "plumb/spike/quadratic_fit.hpp"
#include "plumb/spike/quadratic_form.hpp"
#include "plumb/spike/split.hpp"
#include "plumb/spike/trigger_cone.hpp"
#include "plumb/spike/write_budget.hpp"

// 7 theorems with bounds, held against a model
#include "plumb/claims/all.hpp"
#include "plumb/claims/evidence.hpp"

// 8 results -> text and JSON
#include "plumb/report/anatomy.hpp"
#include "plumb/report/anatomy_json.hpp"
#include "plumb/report/anatomy_text.hpp"
#include "plumb/report/census_json.hpp"
#include "plumb/report/census_text.hpp"
#include "plumb/report/chain.hpp"
#include "plumb/report/claims_json.hpp"
#include "plumb/report/claims_text.hpp"
#include "plumb/report/collapse.hpp"
#include "plumb/report/directions.hpp"
#include "plumb/report/directions_json.hpp"
#include "plumb/report/directions_text.hpp"
#include "plumb/report/heads.hpp"
#include "plumb/report/model.hpp"
#include "plumb/report/table.hpp"
#include "plumb/report/write_budget.hpp"
