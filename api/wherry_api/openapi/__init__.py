"""The OpenAPI document and the models of what clients send and receive."""
