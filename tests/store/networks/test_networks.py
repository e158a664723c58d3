"""An optimised model with Keras' own layers again: its weights byte for byte, and nothing of it run."""

import json
import zipfile

import pytest

from grouped_bench.errors import SpaceError
from grouped_bench.store.networks.files import may_have_parts, restore

STAND_IN = {
    "module": "grouped_layers",
    "class_name": "Conv2D",
    "registered_name": "grouped_layers>MergedGroupsConv",
    "config": {"name": "a", "filters": 8, "groups": 4, "merged": 2},
    "build_config": {"input_shape": [None, 6, 6, 4]},
}
OWN = {
    "module": "keras.layers",
    "class_name": "Conv2D",
    "registered_name": None,
    "config": {"name": "a", "filters": 8, "groups": 4},
    "build_config": {"input_shape": [None, 6, 6, 4]},
}


def saved(path, *layers):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps({"class_name": "Functional", "config": {"layers": list(layers)}}))
        archive.writestr("model.weights.h5", bytes(range(256)))
    return path


def read(path, member):
    with zipfile.ZipFile(path) as archive:
        return archive.read(member)


def test_layers_are_keras_own_again_and_the_weights_stay_byte_for_byte(tmp_path):
    nested = {"class_name": "Functional", "registered_name": "Functional", "config": {"layers": [STAND_IN, OWN]}}
    source = saved(tmp_path / "faster.keras", STAND_IN, nested)
    assert restore(source, tmp_path / "original.keras") == 2
    layers = json.loads(read(tmp_path / "original.keras", "config.json"))["config"]["layers"]
    assert layers[0] == OWN
    assert layers[1]["config"]["layers"] == [OWN, OWN]
    for member in ("metadata.json", "model.weights.h5"):
        assert read(tmp_path / "original.keras", member) == read(source, member)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and nothing more", b"\x89HDF"])
def test_what_is_no_saved_model_is_refused_in_words(content, tmp_path):
    (tmp_path / "net.keras").write_bytes(content)
    with pytest.raises(SpaceError, match=r"must be a \.keras file"):
        restore(tmp_path / "net.keras", tmp_path / "out.keras")
    assert not (tmp_path / "out.keras").exists()


@pytest.mark.parametrize(
    ("names", "expected"),
    [(("Split", "Conv2D", "Concatenate"), True), (("GetItem", "Concatenate"), True), (("Concatenate",), False)],
)
def test_only_what_splits_and_joins_is_looked_at_for_groups_by_hand(names, expected, tmp_path):
    layers = [{"class_name": name, "config": {}} for name in names]
    assert may_have_parts(saved(tmp_path / "net.keras", *layers)) is expected
    (tmp_path / "bad.keras").write_bytes(b"PK")
    assert may_have_parts(tmp_path / "bad.keras") is False


def test_layers_of_the_package_are_keras_own_again(tmp_path):
    config = {**OWN["config"], "implementation": "merged_groups (m=2)"}
    layer = {**OWN, "module": "x", "registered_name": "grouped_bench>GroupedConv2D", "config": config}
    source = saved(tmp_path / "faster.keras", layer)
    assert restore(source, tmp_path / "original.keras") == 1
    assert json.loads(read(tmp_path / "original.keras", "config.json"))["config"]["layers"] == [OWN]


def test_a_model_without_such_layers_is_refused(tmp_path):
    with pytest.raises(SpaceError, match="has none"):
        restore(saved(tmp_path / "net.keras", OWN), tmp_path / "out.keras")
    assert not (tmp_path / "out.keras").exists()
