"""The scoring engine: pairs of audio in, a row per pair and metric out, each a value or a reason.

`pool` keeps processes of one thread each, `scorer` is what runs in them, `engine` feeds them with
bounded memory, `prepared` keeps the work on references. `evaluations` scores a store's evaluations
with it, `folders` any two folders.
"""
