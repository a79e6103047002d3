#!/usr/bin/env bash
# Builds everything and runs the tests. Arguments go to ctest: tests/run.sh -R norm
# With --model DIR the program tells what the claims say of that checkpoint, and the tests of the
# claims run on it, too, and on all checkpoints below it.
set -euo pipefail
# shellcheck source=.ci/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/setup.sh"

model=
if [[ ${1-} == --model ]]; then
  [[ -d ${2-} ]] || {
    echo "tests/run.sh: --model takes a folder, and '${2-}' is none" >&2
    exit 2
  }
  model=$(cd "$2" && pwd)
  export PLUMB_MODELS=$model
  shift 2
  set -- -L '^claims$' "$@"
fi

if ! build release; then
  echo "0 passed, 1 failed"
  exit 1
fi
if [[ $model && -f $model/config.json ]]; then
  "$root/build/release/examples/plumb" claims --model "$model" || true
fi
run_tests release "$@"
