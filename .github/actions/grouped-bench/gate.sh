#!/usr/bin/env bash
# The whole gate in any shell: `GATE_BASE=origin/main GATE_INSTALL='pip install .' GATE_STEP=train:step gate.sh`.
# Its arguments are options of `grouped-bench compare`; it ends as verdict.sh does.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

"$here/environments.sh"
"$here/measure.sh" "$@"
# A page that fails hides no regression, and is not taken for one.
page=0
"$here/report.sh" || page=2
"$here/verdict.sh"
exit "$page"
