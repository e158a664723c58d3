#!/usr/bin/env bash
# Shows the gate on a small project made for it: two commits of a model, of which the second uses Keras' groups.
# It needs git, and an environment with grouped-bench. Its arguments are further options of `grouped-bench compare`.
set -euo pipefail

command -v grouped-bench >/dev/null || {
    echo "try.sh: grouped-bench must be on the PATH. Install it, and activate its environment." >&2
    exit 2
}
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
git init --quiet "$folder/project"
cd "$folder/project"
commit() {
    git add nets.py
    git -c user.name=try -c user.email=try@example.org commit --quiet --message "$1"
}
cat >nets.py <<'PYTHON'
import keras
from keras import layers


def build():
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(inputs)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(128, 3, padding="same", strides=2, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10)(x))
PYTHON
commit "A model"
git worktree add --quiet ../base HEAD
sed -i.before 's/strides=2/strides=2, groups=16/' nets.py
commit "Fewer weights by groups"
git show --unified=0 --format=%s | grep '^[A-Z+-]'

code=0
grouped-bench compare --base-path ../base --head-path . --model nets:build --batch-size 4 --out "$folder/runs" "$@" ||
    code=$?
echo "try.sh: the gate ended with exit code $code; a regression is 1, and what this project was made to have."
exit "$((code == 1 ? 0 : code))"
