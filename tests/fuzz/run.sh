#!/usr/bin/env bash
# Runs the fuzzers one after the other: tests/fuzz/run.sh [SECONDS [TARGET...]], 600 seconds each
# and all of them unless said otherwise. Starts from tests/fuzz/corpus; what is new goes to
# build/fuzz, and so do inputs that fail, whose names stand in the logs there. The last line is
# `N passed, M failed`.
set -euo pipefail
seconds=${1:-600}
targets=("${@:2}")
# shellcheck source=.ci/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../.ci/setup.sh" fuzz
((${#targets[@]})) || targets=(safetensors config tokenizer llama2c ids)

packages=(libpcre2-8)
definitions=()
for package in sentencepiece libutf8proc; do
  pkg-config --exists "$package" || continue
  packages+=("$package")
  name=${package#lib}
  definitions+=("-DPLUMB_HAS_${name^^}")
done
read -ra libraries < <(pkg-config --cflags --libs "${packages[@]}")

passed=0
failed=0
for target in "${targets[@]}"; do
  folder=$root/build/fuzz/$target
  mkdir -p "$folder/corpus"
  echo "== $target"
  clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
    "-DPLUMB_FUZZ_TARGET=\"$target\"" "${definitions[@]}" -I"$root/include" -I"$root/tests" \
    -isystem /usr/include/eigen3 "$root/tests/fuzz/main.cpp" -o "$folder/fuzzer" "${libraries[@]}"
  # A file of at most 16 KiB must not take a second, nor any allocation of 64 MiB.
  if (cd "$folder" && ./fuzzer "-max_total_time=$seconds" -max_len=16384 -timeout=1 \
    -malloc_limit_mb=64 -print_final_stats=1 corpus "$root/tests/fuzz/corpus/$target" \
    >fuzzer.log 2>&1); then
    ((passed += 1))
  else
    ((failed += 1))
  fi
  grep -E '^(stat::number_of_executed_units|SUMMARY|Done|artifact_prefix)|ERROR:' \
    "$folder/fuzzer.log" || true
done
echo "$passed passed, $failed failed"
((failed == 0))
