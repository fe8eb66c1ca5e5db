"""Files on disk: downloads, archives, the cache, and the atomic writer."""
