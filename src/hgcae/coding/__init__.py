"""Numbers to bits: fixed-point and floating-point formats, combinations, the code of sums, packing."""
