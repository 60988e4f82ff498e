"""The checks of part `algorithms`."""
