"""Replies: from what a handler returns to an encoded, validated Result, the same on every door."""

from funcatron.replies.encoding import Replies, WholeReplies
from funcatron.replies.errors import InvalidReply

__all__ = ["InvalidReply", "Replies", "WholeReplies"]
