"""What a round is trained on, between feedback and tensors. Knows no engine and no screen."""
