"""Webhooks: what others post, who may, and which function each delivery is for."""
