"""The columns that every contender's table has."""

from django.db import models


class Row(models.Model):
    name = models.CharField(max_length=100)
    code = models.CharField(max_length=32)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    quantity = models.IntegerField(default=0)
    note = models.CharField(max_length=200, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True
