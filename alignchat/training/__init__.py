"""Training of adapters; the only code that imports torch, trl and peft, and only in the worker."""
