"""Align a language model by talking to it. Importing this loads none of the heavy libraries."""
