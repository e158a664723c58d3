"""Durations, shares and sizes: what is read, what is refused, which digits are written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouped_bench import units

ANYTHING = st.one_of(
    st.text(),
    st.from_regex(r"[0-9.hmsuµ%]{1,12}", fullmatch=True),
    st.floats(),
    st.integers(),
    st.integers(min_value=10**308),
    st.booleans(),
    st.none(),
    st.binary(),
    st.lists(st.integers()),
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), (90, 90), (0.5, 0.5), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("250ms", 0.25), ("1.5h", 5400)],
)
def test_durations_are_read_as_seconds(text, seconds):
    assert units.parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("unit", ["us", "µs"])
def test_both_spellings_of_microseconds_are_read(unit):
    assert units.parse_duration(f"20{unit}") == pytest.approx(2e-5)


@pytest.mark.parametrize(
    "text", ["", "s", "-1s", "1x", "1 s", "1s ", "10m!", "1e3", "٣s", "9" * 400, True, None, [], math.nan, math.inf]
)
def test_other_durations_are_refused(text):
    with pytest.raises(ValueError, match="not a"):
        units.parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("8GiB", 8 * 2**30), ("1.5 MiB", 1572864), ("512", 512), ("7B", 7), (2**20, 2**20), (1e3, 1000)]
)
def test_sizes_are_read_as_bytes(text, size):
    assert units.parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "8GB", "8gib", "GiB", "-1MiB", "1e3", "1 2", "9" * 400, True, None, [], math.inf])
def test_other_sizes_are_refused(text):
    with pytest.raises(ValueError, match="not a"):
        units.parse_bytes(text)


@pytest.mark.parametrize(("text", "share"), [("2%", 0.02), ("0.02", 0.02), (0.02, 0.02), ("12.5%", 0.125), (1, 1.0)])
def test_shares_are_read_as_fractions(text, share):
    assert units.parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "%", "-2%", "2 %", "2%%", "٣%", "9" * 400, False, None, {}, math.nan])
def test_other_shares_are_refused(text):
    with pytest.raises(ValueError, match="not a"):
        units.parse_share(text)


@pytest.mark.parametrize(("text", "inches"), [("25.4mm", 1), ("2.54 cm", 1), ("3.35in", 3.35)])
def test_lengths_are_read_as_inches(text, inches):
    assert units.parse_length(text) == pytest.approx(inches)


@pytest.mark.parametrize("text", ["", "85", "mm", "85pt", "-1mm", "1e3mm", "٣mm", "9" * 400 + "mm", 85, None])
def test_other_lengths_are_refused(text):
    with pytest.raises(ValueError, match="not a"):
        units.parse_length(text)


@pytest.mark.parametrize("parse", [units.parse_duration, units.parse_share, units.parse_length])
@given(value=ANYTHING)
def test_parsers_give_a_finite_number_or_a_value_error(parse, value):
    try:
        number = parse(value)
    except ValueError:
        return
    assert math.isfinite(number)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (2.5, "2.50 s"),
        (0.9999, "1.00 s"),
        (3.714e-3, "3.71 ms"),
        (4.2e-5, "42.0 µs"),
        (5e-8, "50.0 ns"),
        (90, "90.0 s"),
    ],
)
def test_seconds_are_written_in_the_unit_that_fits(seconds, text):
    assert units.format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        *((0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (13107200, "12.5 MiB"), (2**40, "1.00 TiB")),
        *((10**400, "inf TiB"), (-(2**40), "-1.00 TiB")),
    ],
)
def test_bytes_are_written_in_binary_units(count, text):
    assert units.format_bytes(count) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (999, "999"), (4608, "4.61 k"), (147456, "147 k"), (1.2e9, "1.20 G")]
)
def test_counts_are_written_in_decimal_steps(count, text):
    assert units.format_count(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(-3, "0:00"), (41, "0:41"), (727, "12:07"), (3723, "1:02:03")])
def test_spans_are_written_for_people(seconds, text):
    assert units.format_clock(seconds) == text


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (7.0123, None, None, "7.0×"),
        (7.0123, 6.0, 8.0, "7.0×"),
        (1.01325, 1.0127, 1.0138, "1.013×"),
        (0.002713, None, None, "0.0027×"),
        (7.0123, 8.0, 6.0, "7.0×"),
    ],
)
def test_a_ratio_has_the_digits_that_its_interval_earned(value, low, high, text):
    assert f"{units.significant(value, units.earned_digits(value, low, high))}×" == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0, 3, "0"),
        (999.7, 3, "1000"),
        (0.09996, 2, "0.10"),
        (123456, 2, "120000"),
        (math.inf, 2, "inf"),
        (-1.26, 2, "-1.3"),
    ],
)
def test_significant_digits_are_never_in_exponent_form(value, digits, text):
    assert units.significant(value, digits) == text
