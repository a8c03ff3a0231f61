"""The console: pages for operators on the admin listener. They work without scripts, and without the internet."""
