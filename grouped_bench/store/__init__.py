"""The record: the schema of a run, its journal, and the Parquet files made from it."""
