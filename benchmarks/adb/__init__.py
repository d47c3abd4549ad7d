"""Phones and boards behind adb: what a bundle's network gives and takes on them."""
