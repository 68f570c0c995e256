"""What people say of replies, and what can be read off it. Knows no engine and no screen."""
