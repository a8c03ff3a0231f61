"""The listeners: reading requests, answering them, and problem documents for everything that goes wrong."""
