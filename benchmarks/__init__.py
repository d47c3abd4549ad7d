"""Measuring finished artifacts, on this machine and on devices."""
