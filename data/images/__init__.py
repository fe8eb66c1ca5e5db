"""Images as people have them: found, decoded, made ink."""
