"""Stores: one file per database, all with the promises of tests/contracts/test_store.py."""
