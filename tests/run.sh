#!/usr/bin/env bash
# Builds everything and runs the tests. Arguments go to ctest: tests/run.sh -R norm
set -euo pipefail
# shellcheck source=.ci/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/setup.sh"

if ! build release; then
  echo "0 passed, 1 failed"
  exit 1
fi
run_tests release "$@"
