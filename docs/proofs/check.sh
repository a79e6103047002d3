#!/usr/bin/env bash
# Checks the proofs of this folder with Coq: check.sh BUILD_FOLDER. One line a file; the exit status
# is not zero if a file does not compile, leaves a gap, assumes something of its own, or does not
# show what it rests on.
set -euo pipefail

if (($# != 1)); then
  echo "usage: $0 BUILD_FOLDER" >&2
  exit 2
fi
source_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
cd "$1"

# What Coq's real numbers rest on. A proof may need no other assumption.
allowed='ClassicalDedekindReals.sig_forall_dec
ClassicalDedekindReals.sig_not_dec
FunctionalExtensionality.functional_extensionality_dep
Classical_Prop.classic'

# Words that leave a gap or bring an assumption in, outside comments. Sections may have variables
# and hypotheses: they become premises of the theorems. Outside a section they are assumptions, and
# then Print Assumptions names them.
gaps='Admitted|admit|Axioms?|Parameters?|Conjectures?|Abort|Unset +Guard +Checking|bypass_check'

failed=0
fail() {
  echo "$1: $2" >&2
  failed=1
}

# Comments nest, so a regular expression cannot take them out.
without_comments() {
  awk '{
    line = $0 "\n"
    for (i = 1; i <= length(line); ++i) {
      two = substr(line, i, 2)
      if (two == "(*") { ++depth; ++i }
      else if (two == "*)" && depth) { --depth; ++i }
      else if (!depth) printf "%s", substr(line, i, 1)
    }
  }' "$1"
}

# A proof of an earlier run must not stand in for a file that is gone.
rm -f -- *.v *.vo *.vok *.vos *.glob .*.aux
cp "$source_folder"/*.v .
mapfile -t files < <(coqdep -Q . "" -sort ./*.v | tr -s ' ' '\n' | grep '\.v$')
((${#files[@]})) || fail check.sh "no file"

for file in "${files[@]}"; do
  file=${file#./}
  code=$(without_comments "$file")
  if found=$(grep -nEw "$gaps" <<<"$code"); then
    fail "$file" "a gap: ${found//$'\n'/; }"
    continue
  fi
  if ! coqc -q -Q . "" "$file" >"$file.log" 2>&1; then
    fail "$file" "does not compile"
    cat "$file.log" >&2
    continue
  fi
  if grep -q Warning "$file.log"; then
    fail "$file" "Coq warns"
    cat "$file.log" >&2
    continue
  fi

  # Names of claims are lower case; the other files hold what they share.
  claim=${file%.v}
  printed=$(grep -c '^Print Assumptions ' <<<"$code") || true
  if [[ $claim =~ ^[a-z] ]] && ! grep -q "^Print Assumptions $claim\.$" <<<"$code"; then
    fail "$file" "does not print what $claim rests on"
    continue
  fi
  # Each assumption starts a line with its name; what belongs to it stands indented below.
  others=$(awk '/^[^ ]/ && !/^(Axioms:|Closed under the global context)$/ { print $1 }' "$file.log" |
    sort -u | grep -Fxv "$allowed") || true
  if [[ $others ]]; then
    fail "$file" "assumes ${others//$'\n'/, }"
    continue
  fi
  echo "$file: holds, theorems shown: $printed"
done
exit "$failed"
