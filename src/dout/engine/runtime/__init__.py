"""The text of kernels in; native functions out, their cache, and the threads that run them."""
