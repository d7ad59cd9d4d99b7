"""The HTTP JSON API, ``/api/v1``: reads, commands, and the OpenAPI document that describes them."""
