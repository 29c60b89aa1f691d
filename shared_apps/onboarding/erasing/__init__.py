"""`manage.py erase-person`: one person's data in the whole installation (docs/how-to/erase-a-person.md)."""
