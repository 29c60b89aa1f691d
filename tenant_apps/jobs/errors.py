from shared_apps.core.errors import AppError, ConflictError, NotFoundError


class JobNotFoundError(NotFoundError):
    code = "jobs.job_not_found"
    message = "There is no such job."


class JobUnfinishedError(ConflictError):
    code = "jobs.unfinished"
    message = "The job is not done yet: ask for its status first."


class JobFinishedError(ConflictError):
    code = "jobs.finished"
    message = "The job is done: it cannot be cancelled any more."


class ResultMissingError(NotFoundError):
    code = "jobs.no_result"
    message = "The job has left no result."


class JobStoppedError(AppError):
    """It was cancelled or deleted, ran out of time, or was given to another worker."""

    code = "jobs.stopped"
    message = "The job was stopped."


class JobFailedError(AppError):
    """What the job was to do cannot be done; the message is for whoever asked for it."""

    code = "jobs.failed"
    message = "The job could not be carried out."

    def __reduce__(self) -> tuple[type["JobFailedError"], tuple[str]]:
        # A worker's process sends its errors to the parent.
        return type(self), (self.text,)
