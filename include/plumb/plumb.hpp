#pragma once

/// Everything but the tokenizer (plumb/weights/tokenizer.hpp), which needs PCRE2. One include a
/// stage, in the order in which data flows.

// 0 vocabulary
#include "plumb/core/array.hpp"
#include "plumb/core/errors.hpp"
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

// 5 what the spike is, what attention makes of it
#include "plumb/sink/importance.hpp"
#include "plumb/spike/eigenpair.hpp"
#include "plumb/spike/eigenpairs.hpp"
#include "plumb/spike/feed_forward_view.hpp"
#include "plumb/spike/joint_direction.hpp"
#include "plumb/spike/lanczos.hpp"
#include "plumb/spike/life_cycle.hpp"
#include "plumb/spike/neuron.hpp"
#include "plumb/spike/outliers.hpp"
#include "plumb/spike/quadratic_form.hpp"
#include "plumb/spike/split.hpp"
#include "plumb/spike/trigger_cone.hpp"

// 8 results -> text and JSON
#include "plumb/report/anatomy.hpp"
#include "plumb/report/anatomy_json.hpp"
#include "plumb/report/anatomy_text.hpp"
#include "plumb/report/model.hpp"
#include "plumb/report/table.hpp"
