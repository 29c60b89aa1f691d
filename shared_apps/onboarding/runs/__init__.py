"""What operators ask for over HTTP and the provisioner carries out (docs/tenants.md)."""
