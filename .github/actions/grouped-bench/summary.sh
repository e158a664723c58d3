#!/usr/bin/env bash
# Writes the comment of the pull request, and the same into the job's summary.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=settings.sh
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

mkdir -p "$answer"
{
    # By this line comment.sh finds the comment again.
    echo "<!-- grouped-bench gate: $name -->"
    if [ -f "$answer/code" ]; then
        cat "$answer/answer.md"
    else
        # Said in place of an earlier answer, which is not of this commit.
        echo "**Not measured:** base and head could not be compared. The job's log says why."
    fi
    echo
    echo "\`$name\`: [report, runs and log]($GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID)"
} >"$answer/comment.md"
# Of a comparison that says so itself; in fixed words, since what a run tells must not reach the runner as a command.
if [ -f "$answer/code" ] && grep -q '^> \[!WARNING\]$' "$answer/answer.md"; then
    echo "::warning::Base and head were measured on different machines or with different kernels; the summary names them"
fi
cat "$answer/comment.md" >>"$GITHUB_STEP_SUMMARY"
