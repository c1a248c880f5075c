"""The scoring engine: pairs of audio in, a row per pair and metric out, each a value or a reason.

`pool` keeps processes of one thread each, `child` and `scorer` are what runs in them, `engine`
feeds them with bounded memory, `prepared` keeps the work on references. `evaluations` scores a
store's evaluations with it, `compare` and `folders` any two folders.
"""
