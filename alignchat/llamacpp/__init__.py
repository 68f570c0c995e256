"""llama.cpp in this process and in children. Knows no feedback, no round and no screen."""
