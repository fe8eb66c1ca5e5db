"""The pictures of a report: each function takes plain values and returns a figure."""
