// The dense solvers, compiled once.
#include "plumb/core/dense.hpp"

namespace plumb {

template SymmetricEigen<double> symmetric_eigen(const MatrixRef<double>&);
template Vector<double> symmetric_eigenvalues(const MatrixRef<double>&);
template SymmetricEigen<double> tridiagonal_eigen(const VectorRef<double>&,
                                                  const VectorRef<double>&);
template Vector<double> tridiagonal_eigenvalues(const VectorRef<double>&, const VectorRef<double>&);
template Matrix<double> triangular_factor(const MatrixRef<double>&);

}  // namespace plumb
