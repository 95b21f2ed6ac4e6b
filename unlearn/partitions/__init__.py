"""Partitions of the training set into shards, one file each.

A partition module says whether ids alone decide, `BY_ID = True`, and has five functions:
`check(points, classes, held_out, *, shards, ...)` raises ValueError, before any data is there, for
shards that cannot exist; `guarantee(...)` returns how exact unlearning is under it, and why;
`serves(...)` whether that holds when points are deleted and when they are added;
`assign(points, present, *, shards, partition_seed, ...)` returns the shard of every training id;
`fixed(...)` says whether that does not depend on `present`.
All are pure and take the parameters of the trainer; they ignore those of other partitions.
"""
