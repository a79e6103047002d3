#!/usr/bin/env bash
# Builds the program `plumb` if it has to and runs it with the arguments given; without any, it
# shows the anatomy of the bundled model. Works from any folder: paths are the caller's.
set -euo pipefail
# shellcheck source=.ci/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/setup.sh"

build release plumb_program
exec "$root/build/release/examples/plumb" "${@:-anatomy}"
