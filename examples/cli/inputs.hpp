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

/// The tokenizer beside the model, only to name tokens: absent if it is missing or cannot be used.
std::optional<plumb::Tokenizer> naming_tokenizer(const plumb::Checkpoint& checkpoint);

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
