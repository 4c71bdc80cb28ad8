"""Pictures; nothing below imports it."""
