"""Why goals of the table are missed where they are, as far as we found out, and what would close the gap."""

# Found on two virtual processors that are the two halves of one core of a Zen 4: NumPy's exp ran 0.78 times as often on
# both together as on one. The head of the table says how it is where it runs.
# Of networks and loops: processor time, or steps by the clock on a busy machine, as `dout bench` shows them.
WHY_MISSED = {
    "less": (
        "one core's arithmetic and its second-level cache (at 2 ulp, a sigmoid of 16 numbers is 40 instructions), "
        "and peers round more loosely (JAX's tanh) or use both halves of the core. What would close it: processors "
        "that are cores, or an option for fewer digits."
    ),
    "16 M": (
        "the mathematics does not hide behind the memory where two processors share one core's arithmetic: the "
        "copy, which computes nothing, keeps the memory busier. What would close it: processors that are cores."
    ),
    "softmax cross-entropy": (
        "three passes over each row of 1 K, most of the time in exponentials, which are right to 2 ulp, on one "
        "core. What would close it: processors that are cores, or an option for fewer digits."
    ),
    "layer norm": (
        "one core: its cache, and a division an element (2.6 of the forward kernel's 16.6 µs, 4.3 of the backward's"
        " 14.7), where peers multiply by an inverse. Sums along rows and along columns are two kernels, each of "
        "which reads its inputs (2.6 µs). What would close it: an option for fewer digits, kernels that add up both"
        " ways, processors that are cores."
    ),
    "batch norm": (
        "one core: a division an element (5 of the backward kernel's 27 µs), where peers multiply by an inverse, "
        "and sums of columns that go to its cache and back at each row (3 µs; four rows at once would do). What "
        "would close it: an option for fewer digits, sums of several rows at once, processors that are cores."
    ),
    "naive convolution": (
        "a warm first call takes 0.2 s of a processor in the thread that calls, and waits for the rest of its time "
        "where other programs use the processors."
    ),
    "naive max pooling": (
        "Numba takes a second of a processor for the two kernels. What would close it: code for LLVM without Numba."
    ),
    "naive max pooling, two calls": (
        "of 0.44 ms of one core, at 16 channels, backward takes 0.38: branches that values decide, and a copy of "
        "what it writes into, in case that an index is out of range. What would close it: indices that are proved "
        "to be in range."
    ),
    "loop of calls": (
        "each of the two functions is recorded until that has taken 2 s of a processor, beside the 0.2 to 0.3 s of "
        "its plain run: 2.8 and 2.4 s in all. What would close it: kernels that call the user's own functions, or a"
        " shorter trial."
    ),
    "deep convolutional net": (
        "of 15.2 ms, the least time of each step on a busy machine, the products take 8.4, the patches 3.1, and their "
        "sums on the way back 1.7. What would close it: products of tiles in the cache, from patches that are never "
        "written; but the layers keep them in an attribute."
    ),
    "LeNet-5": (
        "of 6.7 ms, the least time of each step on a busy machine, the products take 2.3, the copies of windows for "
        "them 1.3, and mean pooling there and back 1.0. What would close it: products of tiles in the cache, and "
        "pooling in the kernel before it."
    ),
    "residual block": (
        "of 2.9 ms, the least time of each step on a busy machine, the products take 1.5, columns and borders 0.8, "
        "and sums on the way back 0.2. At the speed of the largest the products would take 0.9. What would close "
        "it: products of tiles in the cache; but the layers keep the columns in an attribute."
    ),
    "attention block": (
        "the products, 5.2 · 10⁹ operations, take both cores 28 ms at the speed of the largest; a third of plain "
        "NumPy's time would be 25. What would close it: fewer operations: scores above the diagonal are computed, "
        "too."
    ),
    **dict.fromkeys(
        ("RNN of cells", "GRU of cells", "LSTM of cells"),
        "each turn calls a compiled cell: of 18 ms of the calling thread for 200 steps of the RNN, the 200 times "
        "three arrays of zeros that cells are made with take 5 to 10, guards and drivers most of the rest; of 42 "
        "for the GRU and 52 for the LSTM the products, one step at a time, take 20 to 30. What would close it: a "
        "loop as one node with a body, so that products and sums of all steps are one product each, and zeros "
        "nobody reads are not made.",
    ),
    "convolutional net": (
        "of 14.7 ms of one core the products take 8.5, patches 0.8, pooling there and back 3.5; where other "
        "programs use the processors, all parallel steps take the time of one. Of a cold first call, 6 of 8 s of a "
        "processor are the compilation of kernels, most of that Numba's. What would close it: pooling's backward "
        "and the mask of Relu in one pass, products of tiles in the cache, code for LLVM without Numba."
    ),
    "recurrent layer": (
        "of 5.8 ms on two cores, 35 steps, the 210 small products take 2.6, side by side, at seven tenths of what "
        "large ones reach; one core needs 5.6 ms for them, so three times plain NumPy's 9.6 is more than one core "
        "can do. The kernels take 1.2 ms, and 2 are Python's, in the loop and in guards. Products of all steps are "
        "not one product, nor are sums of gradients of weights. Of a cold first call, most is Numba's. What would "
        "close it: a loop as one node with a body, code for LLVM without Numba."
    ),
    "net": (
        "matrix products are NumPy's OpenBLAS: each of dout's threads copies its part of them into its own order, "
        "and where other programs use the processors there is one thread."
    ),
    **dict.fromkeys(
        ("two-layer net, another batch size", "convolutional net, another batch size"),
        "a call of another size runs plainly until such calls have taken five times as long as a recording: beside the "
        "guards that it fails it is a plain one, and a single plain call may take twice as long where other programs "
        "use the processors.",
    ),
}
