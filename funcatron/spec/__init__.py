"""OpenAPI documents: loading, checking, and the operations they describe."""
