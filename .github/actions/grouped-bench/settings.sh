# shellcheck shell=bash disable=SC2034  # whoever sources this uses them
# The gate's settings, taken from the environment and held to their rules. Sourced by the scripts beside it.

# refuse RULE RECEIVED REMEDY
refuse() {
    printf 'gate: %s. Received: %q. %s.\n' "$@" >&2
    exit 2
}

# tell NAME VALUE: an output of the step, where a runner asks for any.
tell() {
    [ -z "${GITHUB_OUTPUT:-}" ] || printf '%s=%s\n' "$@" >>"$GITHUB_OUTPUT"
}

base=${GATE_BASE:-HEAD^1}
head=${GATE_HEAD:-HEAD}
project=${GATE_PROJECT:-.}
install=${GATE_INSTALL:-}
python=${GATE_PYTHON:-python3}
requirement=${GATE_REQUIREMENT:-}
model=${GATE_MODEL:-}
step=${GATE_STEP:-}
options=${GATE_OPTIONS:-}
threshold=${GATE_THRESHOLD:-}
fail_on=${GATE_FAIL_ON:-regression}
name=${GATE_NAME:-grouped-bench}
work=$(realpath -m -- "${GATE_WORK:-grouped-bench-gate}")
answer=$work/answer
tool=$work/tool/bin

case $fail_on in
    regression | inconclusive | never) ;;
    *) refuse "GATE_FAIL_ON (fail-on) must be regression, inconclusive or never" "$fail_on" "Choose one of them" ;;
esac
# It stands in the comment's marker, in a filter, and in the name of an artifact.
[[ $name =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$ ]] ||
    refuse "GATE_NAME (name) must be up to 60 letters, digits, dots, dashes and underscores, the first a letter or digit" \
        "$name" "Choose another"
