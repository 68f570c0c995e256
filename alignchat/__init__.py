"""Align a language model by talking to it. Importing this loads none of the heavy libraries."""

from alignchat.config import Settings
from alignchat.loop import Loop

__all__ = ["Loop", "Settings"]
