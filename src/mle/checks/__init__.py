"""One module an exercise: its probes, properties, tolerances, mistakes and hints."""
