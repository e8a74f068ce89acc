"""The handlers of the 2.0 document: two documents cannot share an operationId."""

from connexion_handlers import everything, maybe, named_body, unpacked, upload

me = maybe
form, order, listed, send = unpacked, named_body, everything, upload
