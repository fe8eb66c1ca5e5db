"""What one GPU does with the project's nets, measured in under twelve minutes."""
