"""The models and sets on this machine and on their way to it. Knows no feedback and no screen."""
