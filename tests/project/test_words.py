"""The words of the package: errors keep one grammar; percent, counts and commits each have one form."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import grouped_bench
from grouped_bench import errors
from grouped_bench.commands.main import cli
from grouped_bench.report.text.cells import commit
from grouped_bench.space.axes import Axes, Control
from grouped_bench.space.published import Published
from grouped_bench.units import counted, format_percent

ROOT = Path(grouped_bench.__file__).parent
SCRIPTS = sorted((ROOT.parent / ".github/actions/grouped-bench").glob("*.sh"))
# What makes an error out of rule, value and remedy, by name: the errors, and the functions that pass a rule on.
MAKERS = {
    *(name for name, kind in vars(errors).items() if isinstance(kind, type)),
    *("RefusedError", "_broken", "_answered", "unwritable", "usage_error"),
}
# Rules that another process or function states, where they are literals.
PASSED_ON = {"rule", "told.rule", "error.rule", "refused['rule']"}
HOLE = "…"
# A key of a TOML table and the description of its field, each of which is tested below.
DESCRIBED = f"{HOLE}: `{HOLE}` {HOLE}"
# Each remedy says what to do.
IMPERATIVES = {
    *("Change", "Choose", "Compare", "Correct", "Create", "Derive", "Free", "Give", "Install", "Leave", "List", "Make"),
    *(
        "Measure",
        "Name",
        "Put",
        "Quote",
        "Remove",
        "Rename",
        "Repair",
        "Restore",
        "Resume",
        "Run",
        "Save",
        "Set",
        "Split",
    ),
    *("Try", "Upgrade", "Use", "Wait", "Write"),
}


# A number or a value, a space and a percent sign.
PARTED_PERCENT = re.compile(r"[0-9}…] %")
# What is counted, with the s of several; a limit ("at most … tasks") is no count.
NOUNS = (
    "baseline|bytes|case|cohort|column|commit|comparison|convolution|difference|fact|finding|group|lane|layer|neighbour|"
    "panel|path|point|process|processor|reason|record|round|row|run|shape|step|task|thread|variant|visit|way"
)
PLURAL = re.compile(
    rf"(?<![aA]t most )(?<!all )(?<!/)(?<!fewer than )(?<!more than )(?<!at least )… (?:more )?(?:{NOUNS})(?:e?s)\b"
)


@cache
def modules():
    return {path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8")) for path in ROOT.rglob("*.py")}


def texts(node, names):
    """What a string expression may say, with a hole in the place of each value; None where it is no text."""
    match node:
        case ast.Constant(value=str()):
            return [node.value]
        case ast.Name():
            return names.get(node.id)
        case ast.JoinedStr():
            return ["".join(part.value if isinstance(part, ast.Constant) else HOLE for part in node.values)]
        case ast.IfExp():
            return [text for one in (node.body, node.orelse) for text in texts(one, names) or []]
        case ast.BinOp(op=ast.Add()):
            left, right = (texts(one, names) or [HOLE] for one in (node.left, node.right))
            return [f"{a}{b}" for a in left for b in right]
    return None


def makers(tree):
    """The calls that state a rule."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in MAKERS:
            yield node


def rules(tree):
    """Every rule that a module states, or the source of what is neither a text nor passed on."""
    for call in makers(tree):
        word = call.args[_name(call.func) == "_answered"]
        if ast.unparse(word) not in PASSED_ON:
            yield from texts(word, named(tree)) or [ast.unparse(word)]


def remedies(tree):
    """Every remedy that a module states; what is made by a function is seen only in part."""
    for call in makers(tree):
        words = [key.value for key in call.keywords if key.arg == "remedy"]
        for word in [*words, *call.args[2:]]:
            yield from texts(word, named(tree)) or []


def named(tree):
    """The texts to which names of a module, or of its functions, stand."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name))
    found = {}
    for node in nodes:
        found.setdefault(node.targets[0].id, []).extend(texts(node.value, {}) or [])
    return found


def written(tree):
    """Every text of a module that is no docstring, with a hole in the place of each value."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef)
    documented = [node.body[0] for node in ast.walk(tree) if isinstance(node, holders) and node.body]
    docstrings = {id(node.value) for node in documented if isinstance(node, ast.Expr)}
    inside = {id(one) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for one in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in docstrings | inside:
            yield from texts(node, {}) or []


def _name(function):
    return getattr(function, "id", None) or getattr(function, "attr", None)


def faults_of_rule(rule):
    """What is wrong with the grammar of a rule; behind the name of a file it may begin with a small letter."""
    found = [] if re.search(r"\b(must|takes)\b", rule) or rule == DESCRIBED else ["neither must nor takes"]
    found += ["full stop"] if rule.endswith(".") else []
    return found if rule[:1].isupper() or rule.startswith(("`", "--", "@", HOLE)) else [*found, "no subject first"]


def faults_of_remedy(remedy):
    """What is wrong with the grammar of a remedy."""
    found = ["full stop"] if remedy.endswith(".") else []
    verb = re.split(r"[\s,;]", remedy, maxsplit=1)[0]
    return found if verb in IMPERATIVES or verb == HOLE else [*found, f"{verb} is no imperative"]


def every(of):
    return [pytest.param(text, id=f"{path}-{text[:40]}") for path, tree in modules().items() for text in of(tree)]


@pytest.mark.parametrize("rule", every(rules))
def test_a_rule_says_what_must_hold(rule):
    assert faults_of_rule(rule) == []


@pytest.mark.parametrize("remedy", every(remedies))
def test_a_remedy_says_what_to_do(remedy):
    assert faults_of_remedy(remedy) == []


@pytest.mark.parametrize(
    ("rule", "faults"),
    [
        ("A baseline is of a run that has ended", ["neither must nor takes"]),
        ("There is no such backend", ["neither must nor takes"]),
        ("A page must have a name.", ["full stop"]),
        ("a page must have a name", ["no subject first"]),
        ("--where takes columns", []),
        (f"{HOLE}: every key must be known", []),
    ],
)
def test_the_grammar_of_rules_sees_what_breaks_it(rule, faults):
    assert faults_of_rule(rule) == faults


@pytest.mark.parametrize(
    ("remedy", "faults"),
    [
        ("There are 0 runs; name one", ["There is no imperative"]),
        ("In TOML, write [[case]]", ["In is no imperative"]),
        ("Write it like 5%.", ["full stop"]),
        ("Write it like 5%", []),
    ],
)
def test_the_grammar_of_remedies_sees_what_breaks_it(remedy, faults):
    assert faults_of_remedy(remedy) == faults


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('raise SpaceError(f"{a}: groups are {b}", received=1, remedy="Mend it")', ["…: groups are …"]),
        ('raise RunError("One" if a else "Two", received=1, remedy="")', ["One", "Two"]),
        ('RULE = "One"\nraise RunError(RULE, received=1, remedy="")', ["One"]),
        ('raise RunError("One of " + ", ".join(a), received=1, remedy="")', ["One of …"]),
        ("raise HostError(said(), received=1, remedy='')", ["said()"]),
        ("raise HostError(rule, received=1, remedy='')", []),
        ('self._answered(3, "A host must fork")', ["A host must fork"]),
    ],
)
def test_every_rule_is_found(source, found):
    assert list(rules(ast.parse(source))) == found


@pytest.mark.parametrize(
    ("model", "name"), [(model, name) for model in (Axes, Control, Published) for name in model.model_fields]
)
def test_the_description_of_a_field_is_a_rule(model, name):
    description = model.model_fields[name].description
    assert description.startswith("takes ")
    assert not description.endswith(".")


@pytest.mark.parametrize("rule", re.findall(r'refuse "([^"]+)"', "".join(map(Path.read_text, SCRIPTS))))
def test_a_rule_of_the_action_says_what_must_hold(rule):
    assert faults_of_rule(rule) == []


# Plain sentences

# Where people would say: says, shows, correct, resume.
OLD_WORDS = re.compile(r"\b(told|tells?|mend|go(es|ing|ne)? on with)\b", re.IGNORECASE)
MOST_WORDS = 24
PATTERN = re.compile(r"[\\|]\w")


def sentences(text):
    """The sentences of a text, and the parts of a list."""
    return re.split(r"(?<=[.!?;:])\s+", " ".join(text.split()))


def faults_of_text(text):
    """The sentences that are too long, and the words that nobody would say."""
    return [one for one in sentences(text) if len(one.split()) > MOST_WORDS or OLD_WORDS.search(one)]


def helps(command, name="grouped-bench"):
    """The texts of a command's help and of those below it, without JSON and examples."""
    options = (getattr(one, "help", None) or "" for one in command.params)
    yield from ((name, text) for text in (command.help.partition("\b")[0], *options))
    for below, one in getattr(command, "commands", {}).items():
        yield from helps(one, f"{name} {below}")


@pytest.mark.parametrize(("name", "text"), list(helps(cli)))
def test_help_is_in_short_sentences(name, text):
    assert faults_of_text(text) == []


@pytest.mark.parametrize("path", modules(), ids=str)
def test_texts_are_in_short_sentences(path):
    found = (text for text in written(modules()[path]) if " " in text and not PATTERN.search(text))
    assert [fault for text in found for fault in faults_of_text(text)] == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("It tells which. That is told.", 2),
        ("Go on with it.", 1),
        (" ".join(["word"] * 25), 1),
        (" ".join(["word"] * 24) + ". " + " ".join(["word"] * 24), 0),
    ],
)
def test_long_sentences_and_old_words_are_found(text, count):
    assert len(faults_of_text(text)) == count


# One form for a thing


def templates():
    return [*ROOT.rglob("*.jinja"), *ROOT.rglob("*.js"), *ROOT.rglob("*.toml")]


@pytest.mark.parametrize("path", modules(), ids=str)
def test_a_percent_sign_follows_its_number(path):
    assert [text for text in written(modules()[path]) if PARTED_PERCENT.search(text)] == []


@pytest.mark.parametrize("path", templates(), ids=lambda path: path.name)
def test_a_percent_sign_follows_its_number_in_templates(path):
    text = re.sub(r"{%.*?%}|#.*", "", path.read_text(encoding="utf-8"))
    assert PARTED_PERCENT.findall(text) == []


@pytest.mark.parametrize("path", modules(), ids=str)
def test_a_count_is_in_the_singular_for_one(path):
    assert [text for text in written(modules()[path]) if PLURAL.search(text)] == []


@pytest.mark.parametrize(
    ("pattern", "source", "is_wrong"),
    [
        (PARTED_PERCENT, 'text = f"{share} %"', True),
        (PARTED_PERCENT, 'text = "a 95 % interval"', True),
        (PARTED_PERCENT, 'text = f"{share}%"', False),
        (PARTED_PERCENT, 'text = "%s %s"', False),
        (PLURAL, 'text = f"{count} cohorts"', True),
        (PLURAL, 'text = f"{count} more processes."', True),
        (PLURAL, 'text = f"at most {most} tasks"', False),
        (PLURAL, 'text = f"{counted(count, noun)} left out"', False),
        (PLURAL, 'text = f"{share} less memory"', False),
    ],
)
def test_the_forms_see_what_breaks_them(pattern, source, is_wrong):
    assert any(pattern.search(text) for text in written(ast.parse(source))) is is_wrong


def test_what_python_documents_is_not_searched():
    assert list(written(ast.parse('"""At 5 %."""\ndef f():\n    """At 5 %."""\n    return "a"'))) == ["a"]


@pytest.mark.parametrize(
    ("number", "noun", "text"), [(0, "cohort", "0 cohorts"), (1, "cohort", "1 cohort"), (2, "task", "2 tasks")]
)
def test_a_count_says_how_many(number, noun, text):
    assert counted(number, noun) == text


@pytest.mark.parametrize(
    ("share", "digits", "text"), [(0.05, None, "5%"), (0.005, None, "0.5%"), (0.1234, 2, "12%"), (0.001234, 2, "0.12%")]
)
def test_a_share_is_written_in_percent(share, digits, text):
    assert format_percent(share, digits) == text


@pytest.mark.parametrize(("dirty", "text"), [(False, "0123456789"), (True, "0123456789+")])
def test_a_commit_has_ten_digits_and_a_mark_of_changes(dirty, text):
    assert commit("0123456789abcdef", dirty=dirty) == text


def test_no_module_cuts_a_commit_by_itself():
    # The folders of baselines keep the names that they always had.
    assert {path for path, tree in modules().items() if cuts_a_commit(tree)} == {Path("api/gate/baselines.py")}


@pytest.mark.parametrize(
    ("source", "is_cut"),
    [("commit.id[:7]", True), ("told['id'][:DIGITS]", True), ("found.commit[:9]", True), ("commit.id", False)],
)
def test_a_cut_commit_is_found(source, is_cut):
    assert cuts_a_commit(ast.parse(source)) is is_cut


def cuts_a_commit(tree):
    """Whether the beginning of a commit's id is taken somewhere."""
    wholes = [node.value for node in ast.walk(tree) if isinstance(node, ast.Subscript) and _is_beginning(node.slice)]
    return any(ast.unparse(value).endswith((".id", "['id']", ".commit")) for value in wholes)


def _is_beginning(part):
    return isinstance(part, ast.Slice) and part.lower is None
