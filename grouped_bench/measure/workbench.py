"""The workloads of one cohort in one process: built on shared inputs, verified, then timed round by round."""

import functools
import gc
import math
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from grouped_bench import variants
from grouped_bench.backends.base import Backend, Operands, Step, Tensor, empty_layer
from grouped_bench.measure import cold, memory, rounds, verify
from grouped_bench.measure.attempt import attempt
from grouped_bench.measure.machine import disturbance
from grouped_bench.measure.machine.energy import joules_a_call
from grouped_bench.measure.marks import CHECKING, CHOOSING, COMPILING, SAMPLING, TurnMark, unmarked
from grouped_bench.measure.reference_workloads import MACHINE, References, kind_of
from grouped_bench.measure.search import Search
from grouped_bench.space.case import Case, Setting
from grouped_bench.space.facts import Json
from grouped_bench.variants.base import PassPart, Variant
from grouped_bench.variants.torch_modules import in_layout

# What fails so may leave a device or a memory behind that no other variant in the process can use.
_SPOILING = ("oom", "error")
_POOL_FACTOR = 64
# Calls before any is read, and the seconds that they may take: in some 100 TensorFlow learns which kernels are worth a
# thread of their own, and so what overlaps.
_SETTLING_CALLS, _SETTLING_S = 96, 0.5
# Calls whose memory is read at most, likewise.
_MEMORY_CALLS, _MEMORY_S = 512, 0.8
_SHORTEST_S = 1e-6
# Samples of a variant that a visit takes at least, its warm-up among them.
_CALLS_OF_A_VISIT = 2
_NOTHING: Mapping[str, float] = types.MappingProxyType({})


class Workbench:
    """One cohort's workloads.

    Args:
        case, setting: what is computed, where and how.
        seed: of inputs and weights, the same for every process of a run.
        backend: a loaded backend.
        mark: called with the variant whose turn it is, so that a crash or a hang has a name.
        choices: of the variants that have one, what an earlier process of the cohort chose.
    """

    def __init__(
        self,
        case: Case,
        setting: Setting,
        seed: int,
        backend: Backend,
        mark: TurnMark = unmarked,
        choices: Mapping[str, str] | None = None,
    ) -> None:
        self.case, self.setting, self.backend, self.mark = setting.laid_out(case), setting, backend, mark
        self.seed, self.choices = seed, dict(choices or {})
        self.steps: dict[str, Step] = {}
        self._own_steps: dict[str, Step] = {}
        # What each step reads in the last of so many calls from now.
        self._operands_of: dict[str, Callable[[int], Operands]] = {}
        self.iterations: dict[str, int] = {}
        self.sample_seconds: dict[str, float] = {}

    @functools.cached_property
    def problem(self) -> verify.Problem:
        """Shared inputs and reference weights; made at first use, so that running out of memory has a task."""
        return verify.make_problem(self.case, self.seed)

    @functools.cached_property
    def tensors(self) -> tuple[Tensor, Tensor | None]:
        """Input and, for training, upstream gradient on the device."""
        dtype, upstream = self.case.compute_dtype, self.problem.upstream
        return self._array(self.problem.x, dtype), None if upstream is None else self._array(upstream, dtype)

    @functools.cached_property
    def synchronise(self) -> rounds.Synchronise:
        """Waits for the device."""
        return self.backend.synchroniser(self.setting.device)

    def build(
        self,
        names: list[str],
        iterations: dict[str, int],
        expected_s: Mapping[str, float] = _NOTHING,
        *,
        check: bool,
        within_s: float | None = None,
    ) -> Json:
        """Build, call once, check and warm up each variant.

        Returns `built` and `failed` by variant, `inputs_s`, and `spoilt`: whether a failure may have spoilt the
        process, so that the variants after it were not built.

        Args:
            names: the variants, in the order of their turns.
            iterations: calls in a sample of each variant; one that is missing is calibrated.
            expected_s: what a call of each variant took in earlier visits; one that is missing was not visited.
            check: whether to compare with the float64 reference.
            within_s: seconds after which what was built must be ready to be timed; the others are left out. The first
                variant is always built. None: as long as it takes.
        """
        start = rounds.read_clock()
        inputs = self._attempt(self._draw_inputs)
        inputs_s = rounds.read_clock() - start
        if "status" in inputs:
            return {"built": {}, "failed": dict.fromkeys(names, inputs), "inputs_s": inputs_s, "spoilt": True}
        built: Json = {}
        failed: Json = {}
        judge = verify.Judge(self.problem, self.backend) if check else None
        longest_s, ready = 0.0, start + (math.inf if within_s is None else within_s)
        for name in names:
            begun = rounds.read_clock()
            timing_s = math.fsum(_CALLS_OF_A_VISIT * seconds for seconds in self.sample_seconds.values())
            if built and begun + longest_s + timing_s > ready:
                break
            self.mark(name)
            known = iterations.get(name), expected_s.get(name)
            result = self._attempt(functools.partial(self._build_one, name, *known, judge))
            (failed if "status" in result else built)[name] = result
            if "status" in result:
                self.steps.pop(name, None)
            if result.get("status") in _SPOILING:
                break
            longest_s = max(longest_s, rounds.read_clock() - begun)
        spoilt = any(failure["status"] in _SPOILING for failure in failed.values())
        return {"built": built, "failed": failed, "inputs_s": inputs_s, "spoilt": spoilt}

    def visit(
        self,
        names: list[str],
        seed: int,
        count: int | None = None,
        *,
        visit_s: float = rounds.VISIT_S,
        reference: str = MACHINE,
    ) -> Json:
        """Measure one visit: samples of each variant by round, or the variant that failed.

        After the rounds each variant's results on other inputs are checked, by the same steps; what is wrong is among
        the failed. The answer also holds the samples of the reference workloads in the same rounds, and what disturbed
        the visit.
        With the reference `case` these samples are keyed by kind, and `beside` names the kind for each variant.

        Args:
            names: the variants to time, all built.
            seed: of the order of turns.
            count: number of rounds; None for as many as `visit_s` allows.
            visit_s: seconds that each variant gets.
            reference: `machine` for one fixed workload, `case` for the framework's own operation of the case.
        """
        current = [names[0]]

        def mark(name: str, stage: str = "") -> None:
            if not rounds.is_reference(name):  # what fails in its turn was left behind by the variant before it
                current[0] = name
                self.mark(name, stage)

        def timed() -> Json:
            beside = self.references.of_variants(names, reference)
            turns = [*names, *dict.fromkeys(beside.values())]
            gc.collect()
            gc.disable()
            watch = disturbance.Watch(self.setting.device)
            try:
                samples, warm_up = rounds.run_rounds(
                    {name: self.steps[name] for name in turns},
                    self.synchronise,
                    self.iterations,
                    self.sample_seconds,
                    np.random.default_rng(seed),
                    rounds=count,
                    visit_s=visit_s,
                    mark=mark,
                )
            finally:
                gc.enable()
            disturbed = watch.stop()
            start = rounds.read_clock()
            failed = self._check_again(names, seed, mark)
            verify_s = rounds.read_clock() - start
            made = {kind_of(name): samples.pop(name) for name in dict.fromkeys(beside.values())}
            told: Json = {"reference": made, "beside": {name: kind_of(one) for name, one in beside.items()}}
            if reference == MACHINE:
                told = {"reference": next(iter(made.values()), [None] * len(samples[names[0]]))}
            samples = {name: made for name, made in samples.items() if name not in failed}
            found = {"samples": samples, **told, "warm_up_s": warm_up, "verify_s": verify_s, **disturbed}
            return {**found, **({"failed": failed} if failed else {})}

        with self.backend.on(self.setting.device):
            result = self._attempt(timed)
        return {"samples": {}, "failed": {current[0]: result}} if "status" in result else result

    def _check_again(self, names: list[str], seed: int, mark: TurnMark) -> Json:
        """What is wrong with the results of a sample's last call, by variant, on inputs that no step has seen.

        They lie where the old ones did: what has remembered its answer gives it again.
        """
        replaced = [name for name in names if self.steps[name] is not self._own_steps[name]]
        if replaced:
            reason = f"the step of {replaced[0]} was replaced in the process that measures"
            return {name: {"status": "error", "reason": reason} for name in names}
        failed: Json = {}
        problem = verify.renewed(self.problem, seed)
        shared = Operands((), *self.tensors)
        try:
            self._overwrite(shared, problem)
        except NotImplementedError:  # a device's memory: the same inputs once more
            problem = self.problem
        judge = verify.Judge(problem, self.backend, seed)
        for name in names:
            mark(name)
            mark(name, CHECKING)
            read = self._operands_of[name](self.iterations[name])
            if problem is not self.problem and read.inputs is not shared.inputs:
                self._overwrite(read, problem)  # a copy, of cold calls
            outputs = self._last_of_a_sample(name)
            foreign = next((one for one in outputs if type(one) is not type(read.inputs)), None)
            if foreign is None:
                error, wrong = judge.judged(outputs, self.variant(name))
            else:  # whose numbers may be computed when they are read
                error, wrong = math.inf, f"a result of type {type(foreign).__name__}"
            if wrong:
                failed[name] = {
                    "status": "incorrect",
                    "reason": f"after it was timed, {wrong}",
                    "relative_error": error,
                }
        self.problem = problem
        return failed

    def _overwrite(self, read: Operands, problem: verify.Problem) -> None:
        dtype = self.case.compute_dtype
        self.backend.overwrite(read.inputs, problem.x, dtype)
        if read.upstream is not None and problem.upstream is not None:
            self.backend.overwrite(read.upstream, problem.upstream, dtype)

    def _last_of_a_sample(self, name: str) -> list[Tensor]:
        """What the last of a sample's calls returns: work that one put off would not be done yet."""
        for _ in range(self.iterations[name] - 1):
            self.steps[name]()
        outputs = list(self.steps[name]())
        self.synchronise(outputs)
        return outputs

    @functools.cached_property
    def references(self) -> References:
        """The reference workloads, which put themselves among the steps."""
        return References(self)

    def peak_memory(self, name: str, expected_s: Mapping[str, float] = _NOTHING) -> Json:
        """Peak bytes of warmed-up calls of `name`, their source, and joules of a call; None where unknown.

        The call is a hot one whatever the setting: it holds one copy of inputs and weights, not those that cold calls
        rotate among.

        Args:
            name: the variant.
            expected_s: what a call of each variant took in a visit, where there was one.
        """
        self.mark(name)
        device = self.setting.device

        def read() -> Json:
            operands = self._operands(name)
            step = self._hot_step(name, operands)
            made = sum(map(memory.tensor_bytes, step()))
            seconds = expected_s.get(name) or self._seconds_of(step)
            held = sum(map(memory.tensor_bytes, operands.tensors()))

            def settle() -> None:
                for _ in range(min(_SETTLING_CALLS, int(_SETTLING_S / seconds))):  # none of a slow one, which is dear
                    step()

            with self.backend.exact_pool(_POOL_FACTOR * variants.get(name).counts(self.case).min_bytes, device):

                def reading() -> object:
                    # A profiler takes longer than the call; where nothing counts, it is the call that takes time.
                    return self.backend.peak_memory(step, device, held) or step()

                is_slow = seconds > _MEMORY_S
                calls = 1 if is_slow else rounds.calls_within(_MEMORY_S, reading, self.synchronise, most=_MEMORY_CALLS)
                peak, source = memory.peak_bytes(self.backend, step, device, held, made, calls, settle)
            energy = joules_a_call(step, self.synchronise, device)
            return {"peak_bytes": peak, "source": source, "energy_j": energy}

        with self.backend.on(self.setting.device):
            return self._attempt(read)

    def variant(self, name: str) -> Variant:
        """The variant called `name`, with the cohort's choice where it has one."""
        return in_layout(variants.get(name).with_choice(self.choices.get(name)), self.setting.layout)

    def hot_step(self, name: str) -> Step:
        """The step of `name` on the shared inputs, called by nobody yet; to be made where `Backend.on` says."""
        return self._hot_step(name, self._operands(name))

    def empty_step(self) -> Step:
        """A step that computes nothing."""
        dtype, layout = self.case.compute_dtype, self.setting.layout
        x = self.backend.array(np.zeros((1, 1), np.float32), dtype)
        layer = empty_layer(dtype) if layout is None else self.backend.empty_module(layout)
        return self.backend.step(layer, x, None, self.setting.execution)

    def _seconds_of(self, step: Step) -> float:
        """What a call takes, by one that is made now."""
        start = rounds.read_clock()
        self.synchronise(step())
        return max(rounds.read_clock() - start, _SHORTEST_S)

    def _draw_inputs(self) -> Json:
        """Make the tensors before the first trace, so that no first call pays for them or for the device's context."""
        with self.backend.on(self.setting.device):
            return {"inputs": len(self.tensors)}

    def _build_one(
        self, name: str, iterations: int | None, expected_s: float | None, judge: verify.Judge | None
    ) -> Json:
        clock = rounds.read_clock
        with self.backend.on(self.setting.device):
            self.mark(name, CHOOSING)
            chosen = self._chosen(name)
            self.mark(name, COMPILING)
            variant = self.variant(name)
            make_step = self._step_maker(name)
            start = clock()
            step = make_step()
            outputs = list(step())
            self.synchronise(outputs)
            result: Json = {"first_call_s": clock() - start, "verify_s": 0.0, **chosen}
            if judge is not None:
                self.mark(name, CHECKING)
                start = clock()
                error, wrong = judge.judged(outputs, variant)
                result |= {"relative_error": error, "verify_s": clock() - start}
                if wrong:
                    return {"status": "incorrect", "reason": wrong, "relative_error": error}
            del outputs
            # A call that is known to be dear is warm after the first: the second took 2% longer than later ones.
            if expected_s is not None and expected_s > rounds.DEAR_S:
                found, sample_s, spent = 1, expected_s, 0.0
            else:
                self.mark(name, SAMPLING)
                found, sample_s, spent = rounds.calibrate(step, self.synchronise)
        self.steps[name] = self._own_steps[name] = step
        self.iterations[name] = iterations or found
        self.sample_seconds[name] = sample_s / found * self.iterations[name]
        return {**result, "iterations": self.iterations[name], "warm_up_s": spent}

    def _chosen(self, name: str) -> Json:
        """Of a variant with a choice what it is, the arithmetic that it has, and the seconds of the search, if any."""
        variant, start = variants.get(name), rounds.read_clock()
        if not variant.choices(self.case):
            return {}
        if name not in self.choices:
            self.choices[name] = variant.choose(self.case, self._trials(name))
        search_s = rounds.read_clock() - start
        macs = self.variant(name).counts(self.case).macs
        return {"choice": self.choices[name], "macs": macs, "search_s": search_s}

    def _trials(self, name: str) -> Search:
        """Trials of the variant's choices by hot calls, on shared weights."""
        operands = self._operands(name)

        def make_step(choice: str, part: PassPart) -> Step:
            layer = self._layer(variants.get(name).with_choice(choice), operands)
            if part == "input":
                layer.trainable = False
            upstream = None if part == "forward" else operands.upstream
            return self.backend.step(layer, operands.inputs, upstream, self.setting.execution)

        return Search(make_step, self.synchronise, lambda: self.mark(name))

    def _step_maker(self, name: str) -> Callable[[], Step]:
        """What makes the step of `name`, once its inputs, its weights and, for cold calls, their copies are there."""
        operands = self._operands(name)
        self._operands_of[name] = lambda _: operands
        if self.setting.cache == "hot":
            return functools.partial(self._hot_step, name, operands)
        sizes = [memory.tensor_bytes(tensor) for tensor in operands.tensors()]
        copies = self.backend.copies(operands, cold.copies_needed(sizes, self.setting.device))
        return functools.partial(self._cold_step, name, operands, copies)

    def _operands(self, name: str) -> Operands:
        variant, case = self.variant(name), self.case
        values = variant.to_layer(self.problem.weights(variant.function(case)), case)
        weights = (self._array(value, case.variable_dtype) for value in values)
        return Operands(tuple(weights), *self.tensors)

    def _array(self, values: np.ndarray, dtype: str) -> Tensor:
        return self.backend.laid_out(self.backend.array(values, dtype), self.setting.layout)

    def _layer(self, variant: Variant, operands: Operands) -> Any:
        layer = variant.layer(self.case, self.backend)
        layer.build(self.case.input_shape)
        for variable, weight in zip(layer.trainable_variables, operands.weights, strict=True):
            variable.assign(weight)
        return layer

    def _hot_step(self, name: str, operands: Operands) -> Step:
        return self.backend.step(
            self._layer(self.variant(name), operands), operands.inputs, operands.upstream, self.setting.execution
        )

    def _cold_step(self, name: str, operands: Operands, copies: list[Operands]) -> Step:
        layer = self._layer(self.variant(name), operands)
        rotation = cold.Rotation(self.backend.copied_steps(layer, copies, self.setting.execution))
        self._operands_of[name] = lambda calls: copies[rotation.place(calls)]
        return rotation

    def _attempt(self, action: Callable[[], Json]) -> Json:
        return attempt(self.backend, action)
