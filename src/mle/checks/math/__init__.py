"""The checks of part `math`."""
