"""Reading files under a contract: which object, which bytes, which cells."""
