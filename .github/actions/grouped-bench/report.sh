#!/usr/bin/env bash
# Makes the page of both runs. Steps of a project have none: their answer says all.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=settings.sh
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

mapfile -d '' -t runs < <(find "$work/runs" -name '*.parquet' -print0 | sort -z)
steps=$(find "$work/runs" -name '*.steps.json' 2>/dev/null | head -n 1)
[ "${#runs[@]}" -gt 0 ] || [ -z "$steps" ] || exit 0
[ "${#runs[@]}" -gt 0 ] || refuse "The page must have runs that measure.sh made" "$work/runs" "Run measure.sh first"
"$tool/grouped-bench" report "${runs[@]}" -o "$answer/report.html"
