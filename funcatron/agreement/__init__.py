"""Whether the types of bodies and answers in Python agree with the document that describes them."""

from funcatron.agreement.comparison import Difference, differences

__all__ = ["Difference", "differences"]
