"""What is asked for, watched and told of a round. Knows no screen, and trains nothing itself."""
