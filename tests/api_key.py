"""The key that tests give to the APIs on loopback; the fixture `api_root` of conftest.py sets it."""

KEY = "sk-test-0123456789"
