"""The user's operations in; nodes with their real values out. Stand-ins, NumPy's functions, writes, draws."""
