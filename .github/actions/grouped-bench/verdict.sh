#!/usr/bin/env bash
# Ends as the verdict and GATE_FAIL_ON (fail-on) say: 0 passed; 1 a regression; 3 inconclusive; 2 not measured.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=settings.sh
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

[ -f "$answer/code" ] || refuse "A verdict must have a comparison" "none in $answer" "Look above for the reason"
code=$(<"$answer/code")
case $fail_on-$code in
    *-0 | never-* | regression-3) passed=true ;;
    *) passed=false ;;
esac
echo "gate: grouped-bench compare ended with $code, fail-on is $fail_on: $([ $passed = true ] && echo passed || echo failed)"
[ $passed = true ] || exit "$code"
