#include <plumb/core/errors.hpp>
#include <plumb/weights/tokenizer.hpp>

/// Succeeds if the tokenizer compiles and links: it is refused a folder without one.
int main() {
  try {
    plumb::Tokenizer::open("a folder that is not there");
  } catch (const plumb::load_error&) {
    return 0;
  }
  return 1;
}
