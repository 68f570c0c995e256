"""Model files and chat templates: what they say, and one form from another. Knows no engine."""
