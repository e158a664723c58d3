"""What variants must compute, in NumPy float64."""
