"""Reports: a frame of the record in; text, tables, figures and a page out."""
