"""Conversations and who replies in them. Knows no training and no screen."""
