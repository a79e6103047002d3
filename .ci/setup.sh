# shellcheck shell=bash
# Sourced by examples/run.sh and tests/run.sh, and with the argument `ci` by .ci/run. Installs the
# packages of .ci/packages.apt that are missing, without a word when none is, and defines
#   root                       the folder of the repository
#   build PRESET [TARGET...]   configure and build (everything, if no target is named), quietly
#   run_tests PRESET [ARG...]  run ctest and close with the line `N passed, N failed`
# Standard output is left to the caller; what is said here goes to standard error.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

install_missing() {
  local sections=$1 sudo=() wanted missing
  wanted=$(awk -v sections="$sections" '
    /^## / { read = index(" " sections " ", " " substr($2, 1, length($2) - 1) " ") }
    read && !/^#/ && NF' "$root/.ci/packages.apt" | sort)

  if ! command -v dpkg-query apt-get >/dev/null; then
    # Said once: where a build is set up, everything has been found.
    if [[ ! -e $root/build/release/build.ninja ]]; then
      echo "plumb needs what Debian has in these packages (see README.md):" >&2
      # shellcheck disable=SC2086  # one word each
      echo " " $wanted >&2
    fi
    return
  fi

  # shellcheck disable=SC2086,SC2016  # one argument each; dpkg-query expands the fields itself
  missing=$(comm -23 <(echo "$wanted") <(
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
      sed -n 's/^installed //p' | sort -u))
  [[ $missing ]] || return 0

  # shellcheck disable=SC2086
  echo "Installing" $missing >&2
  ((EUID == 0)) || sudo=(sudo)
  # A failure is not the end: the tools may be there from elsewhere, and CMake names what is not.
  # shellcheck disable=SC2086
  {
    "${sudo[@]}" apt-get update -qq &&
      "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq --no-install-recommends $missing
  } </dev/null >/dev/null || echo "Not installed:" $missing "(see README.md)" >&2
}

build() {
  local preset=$1 directory=$root/build/$1
  shift
  [[ -e $directory/build.ninja ]] || echo "Building $preset for the first time ..." >&2
  mkdir -p "$directory"
  (
    cd "$root" &&
      cmake --preset "$preset" &&
      cmake --build "$directory" --parallel "$(nproc)" --target "${@:-all}"
  ) >"$directory/build.log" 2>&1 || {
    cat "$directory/build.log" >&2
    return 1
  }
}

run_tests() {
  local directory=$root/build/$1 status=0 failed=0 total=0
  shift
  # Without the lines that say what is starting: the ones that say how it ended are enough.
  ctest --test-dir "$directory" --output-on-failure --no-tests=error \
    --parallel "$(nproc)" "$@" 2>&1 |
    sed -u '/^ *Start /d' | tee "$directory/tests.log" || status=$?
  read -r failed total < <(
    sed -n 's/.* tests passed, \([0-9]*\) tests failed out of \([0-9]*\)$/\1 \2/p' \
      "$directory/tests.log") || true
  echo "$((total - failed)) passed, $((failed)) failed"
  return "$status"
}

install_missing "build ${1-}"
