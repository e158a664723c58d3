"""How values, tables and files are written, whatever they tell."""
