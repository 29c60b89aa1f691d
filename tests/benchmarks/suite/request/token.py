FIXED_TOKEN = "fixed"
