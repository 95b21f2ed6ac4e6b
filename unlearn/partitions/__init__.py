"""Partitions of the training set into shards, one file each.

A partition module says whether ids alone decide, `BY_ID = True`, and has three functions:
`check(points, classes, held_out, *, shards, ...)` raises ValueError, before any data is there, for
shards that cannot exist; `guarantee(...)` returns how exact unlearning is under it, and why;
`assign(points, present, *, shards, partition_seed, ...)` returns the shard of every training id.
All are pure and take the parameters of the trainer; they ignore those of other partitions.
"""
