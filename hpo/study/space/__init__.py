"""What a study searches: the catalogue of parameters, their domains, the space."""
