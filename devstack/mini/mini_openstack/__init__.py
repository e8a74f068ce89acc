"""A real OpenStack object store on the loopback: Keystone, Swift, RabbitMQ, ceilometermiddleware; no containers.

Only the standard library is used here; the OpenStack programs stand in an environment of their own (``packages``).
"""
