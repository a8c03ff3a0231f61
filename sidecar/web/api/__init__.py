"""The admin API: what operators may ask and do, under ``/api/v1`` on the admin listener."""
