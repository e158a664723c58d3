"""The options that `run` and `plan` share, their help in groups, and the space that they name."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from grouped_bench.commands.shared.output import usage_error
from grouped_bench.errors import shown
from grouped_bench.space.axes import DEFAULT_PATHS, OPTION_AXES, Control, axis_field
from grouped_bench.space.facts import Json
from grouped_bench.units import format_percent

F = TypeVar("F", bound=Callable[..., Any])
_AXES = {"passes" if axis == "pass" else axis for axis in OPTION_AXES}
_SOURCES = ("preset", "space_file", "model", "input_shape")
# What options are about, by the parameters that they set.
_ABOUT = {
    "What to measure (one of these; `quick` if none)": (*_SOURCES, "files"),
    "Axes (each replaces that of a preset, file or model)": tuple(_AXES),
    "How closely, and within what limits": (*Control.model_fields, "seed", "memory", "force", "explain"),
}
_OWN = "The command itself"


def whole_number(least: int, most: int, *, example: int) -> Callable[..., int | None]:
    """A callback that makes an option's value an integer, and names its limits where it is none.

    Args:
        least, most: the limits, both allowed.
        example: a value to write instead of one that is refused.
    """

    def _convert(context: click.Context, parameter: click.Parameter, value: str | int | None) -> int | None:
        if value is None:
            return None
        if re.fullmatch("-?[0-9]{1,20}", str(value), re.ASCII) and least <= int(value) <= most:
            return int(value)
        name = parameter.opts[0]
        rule = f"{name} must be an integer from {least} to {most:,}"
        raise usage_error(rule, received=shown(value), remedy=f"Write it like {name} {example}")

    return _convert


class GroupedOptions(click.Command):
    """A command whose help lists its options by what they are about, in the order in which they were declared."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A section a group."""
        for title, parameters in self._groups(ctx).items():
            told = [record for parameter in parameters if (record := parameter.get_help_record(ctx))]
            if told:
                with formatter.section(title):
                    formatter.write_dl(told)

    def _groups(self, ctx: click.Context) -> dict[str, list[click.Parameter]]:
        found: dict[str, list[click.Parameter]] = {}
        for parameter in self.get_params(ctx):
            title = next((title for title, names in _ABOUT.items() if parameter.name in names), _OWN)
            found.setdefault(title, []).append(parameter)
        return found


def import_option(function: F) -> F:
    """The option that imports a user's own variants."""
    text = "Python file that registers variants with @variant; repeatable."
    return click.option("--import", "files", metavar="FILE", multiple=True, callback=_if_any, help=text)(function)


def looks_option(function: F) -> F:
    """The option that brings the colours and words of variants of one's own along, where nothing is measured."""
    text = "Python file that registers variants, for their colours and words; may be repeated."
    return click.option("--import", metavar="FILE", multiple=True, expose_value=False, callback=_imported, help=text)(
        function
    )


def _imported(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> None:
    if value and not context.resilient_parsing:
        from grouped_bench import variants

        variants.import_files(value)


def _if_any(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...] | None:
    return value or None


def space_options(function: F) -> F:
    """The options that `run` and `plan` share: where the space comes from, its axes, its controls."""
    function = axis_options(OPTION_AXES)(_controls(function, tuple(Control.model_fields)))
    shape = "Extents of the network's input, such as 224,224,3, or 3,224,224 for PyTorch.  [default: its own]"
    function = click.option("--input-shape", metavar="LIST", help=shape)(function)
    model = (
        "Network whose convolutions are measured: a .keras, .h5, .onnx or .pt2 file, a SavedModel, "
        "keras.applications:NAME, timm:NAME, torchvision:NAME, or MODULE:FUNCTION."
    )
    function = click.option("--model", metavar="MODEL", help=model)(function)
    function = import_option(function)
    function = click.option("--space", "space_file", metavar="FILE", help="TOML file of axes.")(function)
    return click.option("--preset", metavar="NAME", help="Named space; see `list presets`.")(function)


def measuring_options(function: F) -> F:
    """The options that say how to measure a space, apart from its controls."""
    function = click.option("--quiet", is_flag=True, default=None, help="Show no progress.")(function)
    wait = "Wait for another run on this machine to end, instead of refusing."
    function = click.option("--wait", is_flag=True, default=None, help=wait)(function)
    force = "Try tasks that are predicted to run out of memory."
    function = click.option("--force", is_flag=True, default=None, help=force)(function)
    pass_ = "Skip the memory pass."
    function = click.option("--no-memory", "memory", flag_value=False, default=None, help=pass_)(function)
    seed = "Seed of inputs, weights and orders.  [default: drawn at random]"
    return click.option("--seed", metavar="N", callback=whole_number(0, 2**31 - 1, example=7), help=seed)(function)


def with_progress(options: Json) -> Json:
    """The options of a run from the command line, which shows its progress unless asked not to."""
    return {**options, "quiet": bool(options["quiet"])}


def case_options(function: F) -> F:
    """The options that name one case and how it is computed, without how closely it is measured."""
    controls = ("task_timeout", "memory_limit", "tf32")
    return import_option(axis_options(OPTION_AXES)(_controls(function, controls)))


def axis_options(axes: Iterable[str]) -> Callable[[F], F]:
    """An option for each of `axes`, in their order."""

    def add(function: F) -> F:
        for axis in reversed(tuple(axes)):
            if axis == "bias":
                function = click.option("--bias", is_flag=True, default=None, help="Add a bias.")(function)
                continue
            if axis == "env":
                function = _env_option(function)
                continue
            parameter = "passes" if axis == "pass" else axis
            text = f"{_rule(axis_field(axis))}  [default: {_default(axis)}]"
            function = click.option(f"--{axis.replace('_', '-')}", parameter, metavar="LIST", help=text)(function)
        return function

    return add


def _env_option(function: F) -> F:
    text = (
        "Environment variable of the measuring processes, with a comma list of values; NAME= unsets it. Repeatable: "
        "every combination is measured.  [default: unchanged]"
    )
    return click.option("--env", metavar="NAME=LIST", multiple=True, callback=_if_any, help=text)(function)


def _controls(function: F, names: Sequence[str]) -> F:
    for name in reversed(names):
        field, (metavar, text) = Control.model_fields[name], _CONTROL_HELP[name]
        told = f"{text}.  [default: {_with_unit(metavar, field.default)}]"
        function = click.option(f"--{name.replace('_', '-')}", name, metavar=metavar, help=told)(function)
    return function


_CONTROL_HELP = {
    "precision": ("SHARE", "Stop when half the interval is below this share of the estimate"),
    "margin": ("SHARE", "Call latencies equivalent if their ratio lies within 1 ± this share"),
    "visits": ("N", "Most visits to a case; each is short and normally in a new process"),
    "least_visits": ("N", "Fewest visits to a case, even if it is settled earlier"),
    "visit_time": ("DURATION", "Time each variant for about this long per visit"),
    "reference": (
        "KIND",
        "Workload timed beside the variants: a fixed one (machine), or the framework's own operation (case)",
    ),
    "budget": ("DURATION", "End the whole run within this time, such as 10m"),
    "task_timeout": (
        "DURATION",
        "End a task whose build, check or sample takes longer (s, m, h; seconds without unit)",
    ),
    "memory_limit": ("SIZE", "End a task that uses more memory than this, such as 8GiB; the framework counts"),
    "tf32": ("on|off", "Allow (on) or forbid (off) a GPU to round float32 operands to TF32"),
}
_CHOSEN = {"on|off": "the backend's choice"}


def _with_unit(metavar: str, default: Any) -> str:
    """The default of a control as a user would type it."""
    if default is None:
        return _CHOSEN.get(metavar, "none")
    if metavar == "SHARE":
        return format_percent(default)
    if metavar == "DURATION":
        return f"{default:g}s" if default >= 1 else f"{1000 * default:g}ms"
    return str(default)


def _rule(field: Any) -> str:
    return str(field.description).removeprefix("takes ")


def _default(axis: str) -> str:
    default = axis_field(axis).default or DEFAULT_PATHS.get(axis)
    if default is None:
        named = {"variant": "five for layers, four for blocks", "threads": "the backend's choice"}
        return named.get(axis, "the backend's first")
    values = ("x".join(map(str, dict.fromkeys(v))) if isinstance(v, tuple) else str(v) for v in default)
    return ",".join(values)


def space_of(options: Json, *, usual: str | None = "quick") -> tuple[Any, Json]:
    """The space that the options name, and those options that replace its axes or controls or say how to run.

    Args:
        options: by parameter; None where not given.
        usual: the preset where none of them names a space; None gives no space.
    """
    from grouped_bench.space.space import Space

    given = {name: value for name, value in options.items() if value is not None}
    preset, file, model, shape = (given.pop(name, None) for name in _SOURCES)
    named = [
        f"--{name}" for name, value in (("preset", preset), ("space", file), ("model", model)) if value is not None
    ]
    if len(named) > 1:
        remedy = "Give one of --preset, --space and --model"
        raise usage_error("A space must come from one option", received=" and ".join(named), remedy=remedy)
    if shape is not None and model is None:
        remedy = "Name a network with --model"
        raise usage_error("--input-shape must go with --model", received="no --model", remedy=remedy)
    if model is not None:
        return _network(model, shape, given), given
    if file:
        return Space.from_toml(Path(file)), given
    if preset is None and _AXES & set(given):
        return Space(source="options"), given
    preset = preset or usual
    return (Space.preset(preset) if preset else None), given


def _network(model: str, shape: str | None, given: Json) -> Any:
    """The convolutions of the model as a space; what it leaves out is listed on stderr."""
    import grouped_bench as gb

    space = gb.network(model, shape, backend=str(given.get("backend", "tensorflow")).split(",")[0].strip())
    for sentence in space.left_out:
        click.echo(sentence, err=True)
    return space
