"""The only door to AWS: clients, and the gateways that translate its errors."""
