"""The configuration in a file of a Keras model, as Keras 3 names its classes; weights stay where they are."""

import json
import zipfile
from pathlib import Path
from typing import Any

from grouped_bench.measure.models.reading.found import one_line
from grouped_bench.measure.models.reading.refused import RefusedError
from grouped_bench.space.facts import Json

CONFIG = "config.json"
LARGEST_CONFIG = 64 * 2**20
_METADATA = "metadata.json"
_HDF5 = (".h5", ".hdf5")
SUFFIXES = (".keras", *_HDF5)
# Where classes lay in Keras 2.13 to 2.15, and in tf-keras.
_OLD_MODULES = ("keras.src.engine", "keras.engine", "tf_keras.src.engine", "tf_keras.engine")
_OLD_PACKAGE = "tf_keras"
# Where Keras tells of failures in each other, the innermost one comes last.
_LAST, _LONGEST = "Exception encountered: ", 300
_MODELS = {"Functional": "keras.src.models.functional", "Sequential": "keras", "Model": "keras"}
# Layers that have no groups, though files name them: by some tools, and by Keras before 3.
_WITHOUT_GROUPS = ("Depthwise", "Separable", "Transpose")
# What Keras before 3 wrote of a kernel that these layers do not have.
_NO_KERNEL = ("Depthwise", "Separable")
_OF_KERNEL = ("kernel_initializer", "kernel_regularizer", "kernel_constraint")


def model_of(path: str) -> Any:
    """The model in a .keras or HDF5 file, without its weights and without anything that could run code of its own.

    Raises:
        RefusedError: no such file, or a model that Keras does not rebuild from its configuration alone.
    """
    import keras

    is_hdf5 = Path(path).suffix in _HDF5
    config = _hdf5_config(path) if is_hdf5 else config_of(path)
    config.pop("compile_config", None)
    version = config.pop("keras_version", None)
    if _has_class(config, "Lambda"):
        raise _refused(path, "a Lambda layer")
    try:
        model = _rebuilt(_modern(config), is_hdf5=is_hdf5)
    except Exception as problem:  # whatever a stranger's layers raise, the file is what is wrong
        told = " ".join(str(problem).rpartition(_LAST)[2].split())[:_LONGEST] or type(problem).__name__
        if version is not None and not str(version).startswith("3"):
            raise RefusedError(
                "A model must be one that Keras 3 can rebuild",
                f"{Path(path).name}, saved by Keras {version} ({told})",
                "Save it anew with tf-keras, or write its convolutions as a TOML space",
            ) from None
        raise _refused(path, told) from None
    if not isinstance(model, keras.Model):
        raise RefusedError("A .keras file must contain a model", type(model).__name__, "Name the file of a model")
    return model


def _refused(path: str, problem: str) -> RefusedError:
    return RefusedError(
        "A model must consist of Keras' own layers, without Lambda layers and custom objects",
        f"{Path(path).name} ({problem})",
        "Save it without them, or write its convolutions as a TOML space",
    )


def _rebuilt(config: Json, *, is_hdf5: bool) -> Any:
    import keras

    if not is_hdf5:
        return keras.saving.deserialize_keras_object(config, safe_mode=True)
    # Keras' own reader of HDF5 files, which has no public name that leaves the weights alone.
    from keras.src.legacy.saving.saving_utils import model_from_config
    from keras.src.saving.serialization_lib import SafeModeScope

    with SafeModeScope(safe_mode=True):
        return model_from_config(config)


def config_of(path: str) -> Json:
    """The configuration in a .keras file, and with it the version of Keras that wrote it. Raises RefusedError."""
    try:
        with zipfile.ZipFile(path) as archive:
            text = _read(archive, CONFIG)
            config = json.loads(text) if len(text) <= LARGEST_CONFIG else None
            about = json.loads(_read(archive, _METADATA)) if _METADATA in archive.namelist() else {}
    # Encrypted members, unknown compressions, damaged streams and deep nesting each raise another kind.
    except Exception as problem:
        raise _no_model(path, one_line(problem)) from None
    if not isinstance(config, dict):
        raise _no_model(path, f"{CONFIG} of more than {LARGEST_CONFIG // 2**20} MiB, or no table")
    return {**config, "keras_version": about.get("keras_version")} if isinstance(about, dict) else config


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as file:
        return file.read(LARGEST_CONFIG + 1)  # not more: a few bytes may unpack to any number


def _hdf5_config(path: str) -> Json:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            text, version = file.attrs.get("model_config"), file.attrs.get("keras_version")
        config = json.loads(text) if text is not None else None
    except Exception as problem:
        raise _no_model(path, one_line(problem)) from None
    if not isinstance(config, dict):
        raise _no_model(path, "weights alone, without their model")
    return {**config, "keras_version": version}


def _no_model(path: str, problem: str) -> RefusedError:
    return RefusedError(
        "A model must be a file that model.save() wrote",
        f"{Path(path).name} ({problem})",
        "Save the model as .keras with Keras 3",
    )


def _has_class(config: Any, name: str) -> bool:
    if isinstance(config, dict):
        return config.get("class_name") == name or any(_has_class(one, name) for one in config.values())
    return isinstance(config, list) and any(_has_class(one, name) for one in config)


def _modern(config: Any) -> Any:
    """A configuration under the names of Keras 3, where they differ and mean the same."""
    if isinstance(config, list):
        return [_modern(one) for one in config]
    if not isinstance(config, dict):
        return config
    found = {key: _modern(value) for key, value in config.items()}
    module, kind, inner = found.get("module"), str(found.get("class_name")), found.get("config")
    if isinstance(module, str):
        if module.startswith(_OLD_MODULES):
            found["module"] = _MODELS.get(kind, "keras")
        elif module.partition(".")[0] == _OLD_PACKAGE:
            found["module"] = module.replace(_OLD_PACKAGE, "keras", 1)
    if kind == "Policy":  # of dtypes
        found |= {"class_name": "DTypePolicy", "module": "keras"}
    if isinstance(inner, dict):
        _make_modern(kind, inner)
    return found


def _make_modern(kind: str, layer: Json) -> None:
    """Give a layer's arguments the names that they have in Keras 3."""
    if any(part in kind for part in _WITHOUT_GROUPS) and layer.get("groups") == 1:
        del layer["groups"]
    if any(part in kind for part in _NO_KERNEL):
        for name in _OF_KERNEL:
            layer.pop(name, None)
    shape = layer.pop("batch_input_shape", None)
    if kind == "InputLayer" and shape is not None:
        layer.setdefault("batch_shape", shape)
    if kind == "BatchNormalization" and isinstance(layer.get("axis"), list):
        (layer["axis"],) = layer["axis"]
    if isinstance(layer.get("layers"), list):
        _renumber(layer)


def _renumber(network: Json) -> None:
    """Count the calls of models inside a network from 0: Keras before 3 took the making of one for its first."""
    models = {layer.get("name") for layer in network["layers"] if layer.get("class_name") in _MODELS}
    nodes = [one for layer in network["layers"] for node in layer.get("inbound_nodes") or () for one in _sources(node)]
    ends = [one for name in ("input_layers", "output_layers") for one in _sources(network.get(name))]
    for name in models:
        calls = [one for one in (*nodes, *ends) if one[0] == name]
        first = min((one[1] for one in calls), default=0)
        for one in calls:
            one[1] -= first


def _sources(node: Any) -> list[Any]:
    """Of a call in the form of Keras before 3 the layers that it takes, each with the number of their own call."""
    return [one for one in node if isinstance(one, list) and len(one) > 1] if isinstance(node, list) else []
