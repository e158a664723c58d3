"""Colours by night: rules that turn the colours of a drawing for a dark screen, and leave the drawing as it is.

A style sheet that overrides each colour is understood by browsers; every other program sees the colours by day.
"""

import colorsys
import re

# The page's paper and ink by night.
PAPER, INK = "#16181b", "#e8e8e8"
_COLOUR = re.compile(r"\b(fill|stroke): ?(#[0-9a-fA-F]{6})\b")
# Less saturated than this is a grey.
_GREY = 0.05
_LEAST_CONTRAST = 4.5
_STEP = 0.02


def night_rules(drawings: str, within: str = "") -> str:
    """CSS that gives every colour of some SVG its like by night, on screens that are dark.

    Args:
        drawings: SVG text, of one drawing or several.
        within: selector of what the rules are confined to, with a space at its end.
    """
    found = sorted({(name, colour.lower()) for name, colour in _COLOUR.findall(drawings)})
    rules = [f"{within}text{{fill:{INK}}}"]
    for name, colour in found:
        turned = by_night(colour)
        if turned != colour:
            rules += [f'{within}[style*="{name}: {colour}"]{{{name}:{turned}!important}}']
    return f"@media screen and (prefers-color-scheme: dark){{{''.join(rules)}}}"


def by_night(colour: str) -> str:
    """A colour `#rrggbb` that reads on dark paper: greys change places, others become lighter as far as is needed."""
    rgb = _parts(colour)
    if max(rgb) - min(rgb) < _GREY:
        paper, ink = _parts(PAPER), _parts(INK)
        return _hex(tuple(i + (p - i) * rgb[0] for i, p in zip(ink, paper, strict=True)))
    hue, light, saturation = colorsys.rgb_to_hls(*rgb)
    while _contrast(rgb) < _LEAST_CONTRAST and light < 1:
        light = min(1.0, light + _STEP)
        rgb = colorsys.hls_to_rgb(hue, light, saturation)
    return _hex(rgb)


def _parts(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _hex(rgb: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def _contrast(rgb: tuple[float, float, float]) -> float:
    return (_luminance(rgb) + 0.05) / (_luminance(_parts(PAPER)) + 0.05)


def _luminance(rgb: tuple[float, float, float]) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
