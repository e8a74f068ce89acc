"""A document from code: OpenAPI 3.1 from handlers whose bodies and answers have types in Python."""

from funcatron.deriving.document import derive
from funcatron.deriving.handlers import found_handlers

__all__ = ["derive", "found_handlers"]
