#!/usr/bin/env bash
# Measures base and head side by side and judges them. Its arguments are further options of `grouped-bench compare`.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=settings.sh
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

rm -rf -- "$answer" "$work/runs"
mkdir -p "$answer" "$work/runs"
words=()
# The project's own code lies in the two checkouts.
if [ -n "$model$step" ]; then
    words+=("--base-path=$work/base/source" "--head-path=$work/head/source")
    [ -z "$model" ] || words+=("--model=$model")
    [ -z "$step" ] || words+=("--step=$step")
fi
while IFS= read -r word; do
    [ -z "$word" ] || words+=("$word")
done <<<"$options"
[ -z "$threshold" ] || words+=("--threshold=$threshold")

code=0
"$tool/grouped-bench" compare --rerun "${words[@]}" "$@" \
    --base-python="$work/base/venv/bin/python" --head-python="$work/head/venv/bin/python" --out="$work/runs" \
    --save="$answer/answer.md" --save="$answer/answer.json" --save="$answer/junit.xml" || code=$?

case $code in
    0) verdict=no-regression ;;
    1) verdict=regression ;;
    3) verdict=inconclusive ;;
    *) exit "$code" ;;
esac
echo "$code" >"$answer/code"
tell verdict "$verdict"
