"""Colours and markers that tell variants apart in every figure, for colour-blind readers too."""

# Okabe & Ito's palette; yellow is left out as too pale on white.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    *("#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00"),
    "#CC79A7",
)
# Tol's muted palette and shades between: with those above but orange and sky, which are paler on white than lines
# should be, fifteen that differ for colour-blind readers too.
INDIGO, WINE, PINE, AZURE, BROWN, GREY, COBALT = (
    *("#332288", "#882255", "#117733", "#3D7DFF", "#7A4A1E", "#767676"),
    "#2A2AE8",
)
PLUM, ULTRAMARINE, LEAF = "#842478", "#003CC0", "#3CA854"
# As Matplotlib names them; the page draws each of them too.
MARKERS = ("o", "s", "^", "v", "<", ">", "D", "d", "P", "X", "p", "h", "H", "8", "*")
