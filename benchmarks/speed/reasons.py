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
        "a warm first call takes 0.2 s of a processor in the thread that calls, 0.6 with all threads at a load of 8, "
        "and waits for the rest of its time where other programs use the processors."
    ),
    "sigmoid, first call, warm": (
        "0.19 to 0.21 s of a processor, more by the clock, which also counts what waits for a core. What would close "
        "it: a recording whose replay is not a second run."
    ),
    "convolutional net, first call, warm": (
        "0.57 to 0.69 s of a processor, more by the clock, which also counts what waits for a core: the import of dout "
        "0.11, the recorded run and its replay, of which 0.16 are plain NumPy, and passes. What would close it: a "
        "replay of those steps alone that no kernel is compared with."
    ),
    **dict.fromkeys(
        ("recurrent layer, first call, cold, less a plain one", "LSTM of cells, first call, warm"),
        "each recording of a part of the loop looks at all that the layer holds: 8,000 arrays after 1,000 steps. "
        "Processor time at a load of 8: 200 steps 1.3 s cold and 0.7 to 0.8 warm; 1,000 steps less a plain call 2.7 s "
        "cold and 1.7 warm, where 10 take 2.3 and 1.15. What would close it: recordings that look at those attributes "
        "alone that their code names.",
    ),
    "naive max pooling, two calls": (
        "of 0.44 ms of one core, at 16 channels, backward takes 0.38: branches that values decide, and a copy of "
        "what it writes into, in case that an index is out of range. At 3 channels a fixed part is as large as the "
        "work: 120 times plain NumPy, 344 at 16. What would close it: indices that are proved to be in range."
    ),
    "deep convolutional net": (
        "of 19 ms of one thread, the least processor time of each step on a busy machine, the products take 13, at 60 "
        "to 85 GFLOP/s of some 100; the patches, which the layers keep in an attribute, take 1.9. PyTorch takes 22 to "
        "25. What would close it: tiles whose sums stay in registers from line to line."
    ),
    "LeNet-5": (
        "of 10.2 ms of one thread, the least processor time of each step on a busy machine, the products take 6, the "
        "patches of the first layer 0.6, sums of windows 0.9, tanh and what it passes back 1.2, and mean pooling there "
        "and back 0.9. What would close it: kernels over rows of six channels as vectors."
    ),
    "residual block": (
        "of 2.4 ms of one thread, the least time of each step, the nine products take 1.6, at 105 GFLOP/s, the columns "
        "0.3, borders, views and copies into another order the rest. PyTorch takes 2.2 where nothing else runs: 1.5 "
        "times as fast is less than the products alone need. What would close it: images that stay in the order of "
        "products from layer to layer."
    ),
    "attention block": (
        "of 62 ms of one thread, the least processor time of each step, the products take 56, most at full speed, "
        "those of the heads 5.6 at 55 to 90 of 98 GFLOP/s; a third of plain NumPy's time would be 48. What would "
        "close it: fewer operations: scores above the diagonal are computed, too."
    ),
    **dict.fromkeys(
        ("RNN of cells", "GRU of cells", "LSTM of cells"),
        "each turn calls a compiled cell: of 218 µs of one thread for a step of the LSTM, products take 96 in the "
        "cache, and 22 more where gradients of weights go to memory, three arrays of zeros 20, their sums 13, "
        "guards, drivers and the loop most of the rest. At full speed all products of 200 steps take 18 ms; PyTorch "
        "takes 26.5, so 1.5 times as fast is more than this core can do. Of 16 ms for the RNN the products take 5, "
        "of 37 for the GRU 14. What would close it: a loop as one node with a body, and arrays of gradients that are "
        "made when they are read; but they lie in lists of the cells.",
    ),
    "convolutional net": (
        "in float64 its products alone, by NumPy, take 0.8 of the time of one thread (19.5 of 24.3 ms; PyTorch 41.4), "
        "so twice as fast as PyTorch leaves 1.2 ms for all else. In float32 products take 8.4 of 13.4 ms, patches 0.5, "
        "pooling there and back 2.2, transposes 0.9. What would close it: steps that run in blocks of the batch, so "
        "that what one writes the next reads from the cache; pooling in the kernel before it."
    ),
    "recurrent layer": (
        "of 5.8 ms on two cores, 35 steps, the 210 small products take 2.6, side by side, at seven tenths of what "
        "large ones reach; one core needs 5.6 ms for them, so three times plain NumPy's 9.6 is more than one core "
        "can do. The kernels take 1.2 ms, and 2 are Python's, in the loop and in guards. At 200 steps gradients of "
        "weights, one for each step, go to memory: 57 ms, and 39 to 52 in other runs. What would close "
        "it: a loop as one node with a body, so that its sums stay in the cache."
    ),
    "net": (
        "matrix products are NumPy's OpenBLAS: each of dout's threads copies its part of them into its own order, "
        "and where other programs use the processors there is one thread. On one core the net of 784-512-512-10 takes "
        "1.09 times its products at batches of 100; JAX takes 1.01 times them. What would close it: faster products "
        "of 100 rows."
    ),
    **dict.fromkeys(
        ("two-layer net, another batch size", "convolutional net, another batch size"),
        "a call of another size runs plainly until such calls have taken five times as long as a recording: beside the "
        "guards that it fails it is a plain one, and a single plain call may take twice as long where other programs "
        "use the processors.",
    ),
}
