"""Partitions of the training set into shards, one file each.

A partition module has three functions: `check(points, classes, held_out, *, shards, ...)` raises
ValueError, before any data is there, for shards that cannot exist; `promise(...)` returns what
unlearning can rely on, a `parts.Promise`; `assign(points, present, *, shards, partition_seed,
...)` returns the shard of every training id.
All are pure and take the parameters of the trainer; they ignore those of other partitions.
"""
