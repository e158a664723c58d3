#!/usr/bin/env bash
# Makes an environment of base and one of head, each with that commit of the project, and a third with grouped-bench.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=settings.sh
source "$here/settings.sh"

commit_of() {
    git -C "$project" rev-parse --verify --quiet --end-of-options "$1^{commit}" ||
        refuse "Base and head must be commits of the repository at GATE_PROJECT (project)" "$1" \
            "Fetch it, as actions/checkout does with a larger fetch-depth, or name another"
}

# prepare SIDE COMMIT
prepare() {
    git -C "$project" worktree add --quiet --detach "$work/$1/source" "$2"
    "$python" -m venv "$work/$1/venv"
    (
        cd "$work/$1/source"
        export VIRTUAL_ENV=$work/$1/venv PATH=$work/$1/venv/bin:$PATH
        # The one setting that is a command, and the only one that a shell reads.
        bash -euo pipefail -c "$install"
    )
}

[ -n "$install" ] ||
    refuse "GATE_INSTALL (install) must be a command that installs the project" "" "Write one, such as pip install ."
[ ! -e "$work" ] || refuse "GATE_WORK must be a folder that does not exist yet" "$work" "Remove it, or name another"
if [ -z "$requirement" ]; then
    requirement=$(realpath -- "$here/../../..")
    # Copied into another repository, these scripts have none of grouped-bench around them.
    [ -f "$requirement/grouped_bench/commands/main.py" ] ||
        refuse "GATE_REQUIREMENT (grouped-bench) must be set outside a clone of grouped-bench" \
            "" "Write what pip should install, such as a path or a URL"
fi
base_commit=$(commit_of "$base")
head_commit=$(commit_of "$head")

"$python" -m venv "$work/tool"
"$tool/python" -m pip install --quiet -- "$requirement"
prepare base "$base_commit"
prepare head "$head_commit"
