"""Backups of the whole installation: application database, audit database and files, as of one moment."""
