#!/usr/bin/env bash
# Posts the comment that summary.sh wrote, or puts it in place of the one from an earlier run of this gate.
# It is no part of the verdict: where it cannot be posted the job says so and goes on.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=settings.sh
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

# leave LEVEL REASON
leave() {
    echo "::$1::No comment on the pull request: $2. The answer is in the job's summary."
    exit 0
}

pull=${GATE_PULL_REQUEST:-}
[ -n "$pull" ] || leave notice "this run has none"
[[ $pull =~ ^[0-9]+$ ]] || refuse "GATE_PULL_REQUEST must be a number" "$pull" "Leave it to the action"
[ "${GATE_FORK:-false}" != true ] || leave notice "a pull request from a fork has a read-only token"

issues=repos/$GITHUB_REPOSITORY/issues
marker=$(head -n 1 "$answer/comment.md")
# Others can write the marker too, and theirs are not ours to change.
ours=".[] | select(.user.login == \"github-actions[bot]\" and (.body | startswith(\"$marker\"))) | .id"
ids=$(gh api --paginate "$issues/$pull/comments?per_page=100" --jq "$ours") ||
    leave warning "gh could not read the comments (permissions: pull-requests: write)"
id=${ids%%$'\n'*}
if [ -n "$id" ]; then
    place=(--method PATCH "$issues/comments/$id")
else
    place=(--method POST "$issues/$pull/comments")
fi
gh api --silent "${place[@]}" --field "body=@$answer/comment.md" ||
    leave warning "gh could not write the comment (permissions: pull-requests: write)"
