"""How figures are drawn: panels, axes, marks, points, and the registry of `report.figures`."""
