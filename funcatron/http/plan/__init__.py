"""Planned operations: each operation of a connexion application compiled once, and served without connexion's stack."""
