"""The messages of the contract: sdk/python/generate writes them from algo-runtime/api/proto."""
