"""How values, tables and files are written in every report."""
