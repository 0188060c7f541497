"""The views of the JSON API, a file for each matter. Each reads: one action or reading, then the answer."""
