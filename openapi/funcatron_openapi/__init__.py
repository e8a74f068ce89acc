"""The OpenAPI documents and JSON Schemas that funcatron itself is described by, as package data."""
