"""Partitions of the training set into shards, one file each.

A partition module has three functions. `check(data, *, shards, ...)` raises ValueError, before
any data is loaded, for shards that cannot exist. `guarantee(...)` returns a
`sharding.PartitionGuarantee`. `assign(points, present_ids, *, shards, partition_seed, ...)`
returns the shard of every training id.

All are pure. They take the parameters of the trainer and ignore those of other partitions.
"""
