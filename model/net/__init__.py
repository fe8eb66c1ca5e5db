"""The siamese net: built, saved, exported."""
