"""Jobs: work that takes longer than a request (docs/jobs.md)."""

from datetime import timedelta

from config.env import env

# By a worker; `in-process` needs none, and loses what waits when the process ends.
JOBS_EXECUTOR = env.choice("JOBS_EXECUTOR", default="celery", choices=("celery", "in-process"))
# Jobs that are done, with their results.
JOBS_KEEP = timedelta(days=env.integer("JOBS_KEEP_DAYS", default=30, low=1, high=3650))
INVOICE_IMPORT_LARGEST = (
    env.integer("INVOICE_IMPORT_LARGEST_MB", default=20, low=1, high=200) * 10**6
)
# Addresses whose bodies may be larger than DATA_UPLOAD_MAX_MEMORY_SIZE, and how large: the file and its form.
UPLOAD_LIMITS = {r"/api/v\d+/invoice-imports/create/?": INVOICE_IMPORT_LARGEST + 64 * 1024}
