"""The leak laboratory: two tenants with marker rows, and every way of reading one from the other.

`manage.py tenant run-leak-lab` makes two tenants, has each tenant app plant rows that carry the tenant's
marker, and then asks every route, table, model, task, cache, file and socket of one tenant for anything
of the other. It knows nothing of the apps that it examines beyond what it finds in their URLs, models and
tasks, so it examines yours as well.
"""
