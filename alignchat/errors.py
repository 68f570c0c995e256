"""What can go wrong, as sentences for people.

Each text says what happened and what to do. The two edges (the UI's wrapper and the command line)
show `EXPECTED` errors as they are; anything else is a bug.

    AlignchatError
    ├── SettingsError      a setting that cannot hold; the text names its key
    ├── ModelError         a model file that is missing, broken or of another kind
    │   ├── AdapterError   the same for an adapter
    │   └── PromptError    a conversation that the model's template refuses
    │       └── TooLongError   one that its context does not hold
    ├── DataError          feedback that is not enough, or rows that cannot be read
    ├── DiskError          a file that cannot be written
    ├── AccountError       a user who is not there, or may not do this
    ├── RoundError         a round that is not there, or not in the state asked for
    └── Cancelled          the person asked to stop
"""

from feedback_store import NotSavedError, StoreError, UnknownRecordError


class AlignchatError(Exception):
    """Root of all expected errors of this package."""


class SettingsError(AlignchatError):
    """A setting that cannot hold; the text names its key."""


class ModelError(AlignchatError):
    """A model file that is missing, broken or of another kind."""


class AdapterError(ModelError):
    """An adapter file that is missing, damaged or made for another model."""


class PromptError(ModelError):
    """A conversation that the model's template refuses."""


class TooLongError(PromptError):
    """A conversation that the context does not hold."""


class DataError(AlignchatError):
    """Feedback that is not enough, or rows that cannot be read."""


class DiskError(AlignchatError):
    """A file that cannot be written; the text names it."""


class AccountError(AlignchatError):
    """A user who is not there, or may not do what was asked for."""


class RoundError(AlignchatError):
    """A round that is not there, or not in the state asked for."""


class Cancelled(AlignchatError):
    """The person asked to stop."""


# What the disk did not take: the same act may succeed later.
UNSAVED: type[Exception] = NotSavedError
# What is asked for by an id that nothing has, or nothing of one's own.
UNKNOWN: type[Exception] = UnknownRecordError
EXPECTED: tuple[type[Exception], ...] = (AlignchatError, StoreError)
