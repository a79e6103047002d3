#pragma once

#include <optional>
#include <string>
#include <vector>

#include "options.hpp"
#include "plumb/weights/checkpoint.hpp"
#include "plumb/weights/token_ids.hpp"
#include "plumb/weights/tokenizer.hpp"

/// The folder that --model names, or the bundled checkpoint.
std::string model_folder(const Options& options);

/// The tokenizer beside the model. When it is `needed`, throws if it is missing or cannot be used;
/// otherwise it only names tokens in the report, so a fault is said in one line (unless `quiet`)
/// and there is none.
std::optional<plumb::Tokenizer> open_tokenizer(const plumb::Checkpoint& checkpoint, bool needed,
                                               bool quiet);

/// What the model will read.
struct Inputs {
  std::vector<plumb::TokenIds> texts;
  bool bos_prepended = false;
  std::optional<plumb::Tokenizer> tokenizer;

  /// The bytes of each token; empty when there is no tokenizer.
  std::vector<std::string> token_texts(const plumb::TokenIds& ids) const;
};

/// Texts and ids of the command line, or the bundled prompt when there are none. Throws
/// plumb::load_error naming the text or file: empty, ids outside the vocabulary, longer than the
/// context without --truncate.
Inputs read_inputs(const Options& options, const plumb::Checkpoint& checkpoint);
