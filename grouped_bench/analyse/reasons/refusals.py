"""The registry of known refusals, one entry each: what a framework says, why, and what to do about it."""

import dataclasses
import re
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Where:
    """What is known of the task that was refused; None or empty where its row does not say."""

    backend: str
    dtype: str
    rank: int | None
    groups: int | None
    computes: str
    onednn: bool | None


@dataclasses.dataclass(frozen=True)
class Refusal:
    """One refusal: what it is known by, its cause and its remedy, each a sentence.

    Args:
        name: of the entry.
        backends: where it is met; empty for all of them.
        pattern: is found in the framework's message.
        cause: why it is refused.
        remedy: what to do; `{split}` stands for the exact variant without grouped kernels.
        env: the variable and the value that are the remedy, where a value alone is one.
        applies: whether cause and remedy are true of the task.
        says: who refuses; the backend unless given.
    """

    name: str
    backends: tuple[str, ...]
    pattern: re.Pattern[str]
    cause: str
    remedy: str
    env: tuple[str, str] | None = None
    applies: Callable[[Where], bool] = lambda where: True
    says: str = ""

    def is_met(self, reason: str, where: Where) -> bool:
        """Whether `reason` is this refusal, and its remedy true there."""
        here = not self.backends or where.backend in self.backends
        return here and bool(self.pattern.search(reason)) and self.applies(where)


def _has_onednn_dtype(where: Where) -> bool:
    """Whether oneDNN takes the dtype on every processor, so that the message alone says that it was off."""
    return where.dtype == "float32" and where.onednn is not True


def _is_grouped_3d(where: Where) -> bool:
    return where.rank == 3 and (where.groups or 1) > 1


_TENSORFLOW = ("tensorflow",)
_ONEDNN = ("TF_ENABLE_ONEDNN_OPTS", "1")
_GRADIENT = re.compile(
    r"filter_size does not have enough elements, requested \d+, got \d+"
    r"|Gradients for grouped convolutions are not supported on CPU"
)
_CHANNELS_FIRST = re.compile(
    r"currently only supports the NHWC tensor format"
    r"|Conv\w+ only supports ND?HWC"
    r"|Depthwise convolution on CPU is only supported for NHWC format"
)
_STRIDES = re.compile(r"only supports equal length strides in the row and column dimensions")
_SET = "Set TF_ENABLE_ONEDNN_OPTS=1 before TensorFlow is imported"
_FLOAT32 = "float32 with TF_ENABLE_ONEDNN_OPTS=1"

REFUSALS = (
    Refusal(
        "tensorflow_grouped_gradient",
        _TENSORFLOW,
        _GRADIENT,
        "TensorFlow has gradients of grouped convolutions on the CPU only in oneDNN, which was off.",
        f"{_SET}, or use {{split}}.",
        env=_ONEDNN,
        applies=_has_onednn_dtype,
    ),
    Refusal(
        "tensorflow_grouped_gradient_bfloat16_off",
        _TENSORFLOW,
        _GRADIENT,
        "TensorFlow has bfloat16 gradients of grouped convolutions on the CPU only in oneDNN, which was off.",
        f"{_SET} if the processor has AVX-512, or else use {{split}}.",
        env=_ONEDNN,
        applies=lambda where: where.dtype == "bfloat16" and where.onednn is False,
    ),
    Refusal(
        "tensorflow_grouped_gradient_bfloat16",
        _TENSORFLOW,
        _GRADIENT,
        "TensorFlow has bfloat16 gradients of grouped convolutions on the CPU only in oneDNN, and there only on "
        "processors with AVX-512 or AVX-NE-CONVERT.",
        f"Use {{split}}, or {_FLOAT32}.",
        applies=lambda where: where.dtype == "bfloat16" and where.onednn is not False,
    ),
    Refusal(
        "tensorflow_grouped_gradient_float16",
        _TENSORFLOW,
        _GRADIENT,
        "TensorFlow has float16 gradients of grouped convolutions on the CPU only in oneDNN, and there only on "
        "processors with AVX512-FP16, AMX-FP16 or AVX-NE-CONVERT.",
        f"Use {{split}}, or {_FLOAT32}.",
        applies=lambda where: where.dtype == "float16",
    ),
    Refusal(
        "tensorflow_grouped_gradient_float64",
        _TENSORFLOW,
        _GRADIENT,
        "TensorFlow has no float64 gradients of grouped convolutions on the CPU, whether oneDNN is on or off.",
        f"Use {{split}}, or {_FLOAT32}.",
        applies=lambda where: where.dtype == "float64",
    ),
    Refusal(
        "tensorflow_grouped_3d",
        _TENSORFLOW,
        re.compile(
            r"Number of channels in filter \(\d+\) must match last dimension of input \(\d+\)"
            r"|input and filter_sizes must have the same number of channels"
            r"|input and filter must have the same depth: \d+ vs \d+"
        ),
        "TensorFlow has no grouped 3D convolution on the CPU, whether oneDNN is on or off.",
        "Use {split}, or Keras' own groups=, which XLA compiles.",
    ),
    Refusal(
        "tensorflow_fused_groups",
        _TENSORFLOW,
        re.compile(r"Fused conv implementation does not support grouped convolutions"),
        "A TensorFlow graph fuses a convolution with the bias after it, and without oneDNN the fused kernel takes no "
        "groups.",
        f"{_SET}, use the execution eager, or use {{split}}.",
        env=_ONEDNN,
        applies=lambda where: where.onednn is not True,
    ),
    Refusal(
        "tensorflow_channels_first",
        _TENSORFLOW,
        _CHANNELS_FIRST,
        "TensorFlow has channels_first convolutions on the CPU only in oneDNN, which was off.",
        f"{_SET}, or use channels_last.",
        env=_ONEDNN,
        applies=lambda where: _has_onednn_dtype(where) and not _is_grouped_3d(where),
    ),
    Refusal(
        "tensorflow_channels_first_dtype",
        _TENSORFLOW,
        _CHANNELS_FIRST,
        "TensorFlow has channels_first convolutions on the CPU only in oneDNN, which was off or does not take this "
        "dtype here.",
        f"Use channels_last, or {_FLOAT32}.",
        applies=lambda where: where.dtype not in ("", "float32") and not _is_grouped_3d(where),
    ),
    Refusal(
        "tensorflow_channels_first_grouped_3d",
        _TENSORFLOW,
        _CHANNELS_FIRST,
        "TensorFlow has no grouped 3D convolution on the CPU, and channels_first only in oneDNN.",
        "Use {split} with channels_last, or Keras' own groups=, which XLA compiles.",
        applies=_is_grouped_3d,
    ),
    Refusal(
        "tensorflow_depthwise_strides",
        _TENSORFLOW,
        _STRIDES,
        "TensorFlow has depthwise convolutions with unequal strides on the CPU only in oneDNN, which was off.",
        f"{_SET}, or use equal strides.",
        env=_ONEDNN,
        applies=_has_onednn_dtype,
    ),
    Refusal(
        "tensorflow_depthwise_strides_dtype",
        _TENSORFLOW,
        _STRIDES,
        "TensorFlow has depthwise convolutions with unequal strides on the CPU only in oneDNN, which was off or does "
        "not take this dtype here.",
        f"Use equal strides, or {_FLOAT32}.",
        applies=lambda where: where.dtype not in ("", "float32"),
    ),
    Refusal(
        "tensorflow_onednn_isa",
        _TENSORFLOW,
        re.compile(r"could not create a primitive descriptor"),
        "oneDNN is held to an instruction set without bfloat16, which TensorFlow expects of this processor.",
        "Set ONEDNN_MAX_CPU_ISA=ALL before TensorFlow is imported, or use float32.",
        env=("ONEDNN_MAX_CPU_ISA", "ALL"),
        applies=lambda where: where.dtype == "bfloat16" and where.onednn is not False,
    ),
    Refusal(
        "stride_and_dilation",
        (),
        re.compile(r"`strides > 1` not supported in conjunction with `dilation_rate > 1`"),
        "Keras' convolutions and tf.nn.convolution take no stride above 1 together with a dilation above 1.",
        "Set one of the two to 1.",
        says="Keras",
    ),
    Refusal(
        "channels_and_groups",
        (),
        re.compile(
            r"(?:filters|input channels) must be evenly divisible by the number of groups"
            r"|[Ii]nput channels (?:\(\d+\) )?must be (?:evenly )?divisible by kernel"
            r"|(?:in|out)put depth must be evenly divisible by (?:filter depth|number of groups)"
            r"|Depth of (?:in|out)put \(\d+\) is not a multiple of"
            r"|feature dimension size must be a multiple of feature_group_count"
            r"|feature dimension size divided by feature_group_count must equal"
            r"|Given groups=\d+, (?:weight of size .* expected input|expected weight to be divisible by)"
        ),
        "The groups must divide the input and the output channels, and a grouped kernel holds the input channels of "
        "one group.",
        "Choose channels and groups that divide, and a kernel of shape (…, Cin/groups, Cout).",
    ),
    Refusal(
        "operand_dtypes",
        (),
        re.compile(
            r"was expected to be an? \w+ tensor but is an? \w+ tensor"
            r"|Input type \([^)]*\) and (?:weight|bias) type \([^)]*\) should be the same"
            r"|requires arguments to have the same dtypes"
        ),
        "Input and kernel have different dtypes.",
        "Cast the kernel first: keras.ops.cast(kernel, self.compute_dtype).",
    ),
    Refusal(
        "keras_transpose_groups",
        (),
        re.compile(r"Unrecognized keyword arguments passed to Conv\dDTranspose: .*'groups'"),
        "Keras' transposed convolutions have no groups.",
        "Make one transposed convolution for each group, and concatenate their outputs.",
        says="Keras",
    ),
    Refusal(
        "keras_causal",
        (),
        re.compile(r"`padding` argument must be .* Received: causal"),
        "Keras has causal padding in Conv1D only.",
        "Pad the input with keras.ops.pad, and use padding valid.",
        says="Keras",
    ),
    Refusal(
        "torch_compiler",
        ("torch",),
        re.compile(r"InvalidCxxCompiler|No working C\+\+ compiler found"),
        "torch.compile generates C++ for the CPU, and found no compiler.",
        "Install g++, or use the execution eager.",
    ),
    Refusal(
        "torch_dtype",
        ("torch",),
        re.compile(r"\" not implemented for '\w+'"),
        "PyTorch has no kernel of this operation for this dtype on this device.",
        "Use float32.",
    ),
)
