"""Where drawings come from, a row each in `data.sources.table`."""
