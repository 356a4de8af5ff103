"""What is run: one module for each kind of experiment, the runs that they record, studies as data,
and sweeps.

Built on all rooms below. Only here, and above, has anybody heard of a notebook's parameters.
"""
