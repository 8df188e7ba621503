"""jit: functions recorded, simplified, written as NumPy source and compiled."""
