"""The checks of part `role`."""
