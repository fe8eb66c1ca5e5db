"""Files on disk: downloads, archives, images, and the cache."""
