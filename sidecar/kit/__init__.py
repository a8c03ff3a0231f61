"""Asyncio pieces that know nothing of the domain."""
