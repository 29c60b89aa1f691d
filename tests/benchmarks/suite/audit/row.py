"""The columns that every contender's table has, and its indexes: those of a list that people sort and filter."""

from django.db import models


class Row(models.Model):
    name = models.CharField(max_length=100, db_index=True)
    code = models.CharField(max_length=32)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    quantity = models.IntegerField(default=0)
    status = models.IntegerField(default=0, db_index=True)
    note = models.CharField(max_length=200, default="")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        abstract = True
