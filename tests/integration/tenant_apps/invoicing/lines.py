from decimal import Decimal

from tenant_apps.invoicing.totals import Line


def line(quantity: str, unit_price: str, tax_rate: str = "0.19") -> Line:
    return Line("Thing", Decimal(quantity), Decimal(unit_price), Decimal(tax_rate))
