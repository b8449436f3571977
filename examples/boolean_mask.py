import numpy as np

# About "Boolean ndarray"
x = np.array( [[1.0, -0.5], [-2.0, 3.0]] )
mask = (x <= 0)
print(x)
print(mask)

# read the masked elements
print(x[mask])
print(x[mask]+1)

# write the masked elements
x[mask] = 0
print(x)
x[mask] = [10, 20]
print(x)
