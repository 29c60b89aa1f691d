"""The product's settings with another tenant machinery each; the rest is shared.py."""
