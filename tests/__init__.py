"""The tests, a folder for each room."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

STUDIES = (
    "beyond",
    "beyond-105",
    "beyond-70",
    "beyond-70-lake",
    "beyond-70-unaided",
    "beyond-unaided",
    "compact",
    "paper",
    "smoke",
)
"""The study files that are shipped."""
