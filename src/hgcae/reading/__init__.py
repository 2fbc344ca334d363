"""How files that others may have made are opened: what they are, how much they may claim, and no value that is changed in silence.

One module for each kind of container; what is in it, each reader checks itself. All of them end a file that is not as it should be with an
error of `hgcae.errors`, before they allocate what the file only claims to hold.
"""
