"""AsyncAPI 3 documents of what functions take other than by HTTP calls of their own."""

from funcatron.asyncapi.document import describe

__all__ = ["describe"]
