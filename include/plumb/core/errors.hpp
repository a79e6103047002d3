#pragma once

#include <Eigen/Core>
#include <stdexcept>
#include <string>
#include <string_view>

/// One policy for what can go wrong:
///   a broken contract   throws shape_error or index_error, naming function and argument;
///   a bad input file    throws load_error, naming the file and what is wrong in it;
///   a numerical outcome is a value (std::optional or a status) in the result.
namespace plumb {

/// Sizes of two arguments do not fit, or an argument is empty that must not be.
struct shape_error : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// An index (layer, head, token id, ...) is outside its range.
struct index_error : std::out_of_range {
  using std::out_of_range::out_of_range;
};

/// A file cannot be read, or what it says cannot be used. The message begins with the file.
struct load_error : std::runtime_error {
  load_error(std::string_view file, std::string_view fault)
      : std::runtime_error(std::string(file) + ": " + std::string(fault)) {}
};

/// A file is sound, but asks for mathematics that plumb does not have.
struct unsupported_error : load_error {
  using load_error::load_error;
};

/// Throws shape_error unless got == want.
inline void require_size(std::string_view function, std::string_view argument, Eigen::Index got,
                         Eigen::Index want) {
  if (got == want) return;
  throw shape_error(std::string(function) + ": " + std::string(argument) + " is " +
                    std::to_string(got) + ", expected " + std::to_string(want));
}

/// Throws index_error unless 0 <= index < size.
inline void require_index(std::string_view function, std::string_view argument, Eigen::Index index,
                          Eigen::Index size) {
  if (0 <= index && index < size) return;
  throw index_error(std::string(function) + ": " + std::string(argument) + " " +
                    std::to_string(index) + " is outside 0.." + std::to_string(size - 1));
}

}  // namespace plumb
