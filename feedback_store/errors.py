"""What can go wrong with a store, as sentences for people.

Whenever a record did not reach the disk the text says "not saved", and what to do.

    StoreError
    ├── InvalidRecordError     a value that cannot be kept exactly as it is
    │   └── DuplicateError     another record already has this id
    ├── UnknownRecordError     no record has this id
    ├── NotSavedError          the disk did not take it
    │   ├── DiskFullError      no space left; the store works again when there is some
    │   ├── ReadOnlyError      this store only reads: newer journal, failed disk, unwritable folder
    │   └── JournalChangedError  the file was moved, shortened or replaced by something else
    ├── BackupError            a backup that is incomplete or damaged, or could not be made
    └── ExchangeError          a file that cannot be imported or exported; it lists the lines refused
"""


class StoreError(Exception):
    """Root of all expected errors of this package."""


class InvalidRecordError(StoreError):
    """A value that cannot be kept exactly as it is."""


class DuplicateError(InvalidRecordError):
    """Another record already has this id."""


class UnknownRecordError(StoreError):
    """No record has this id."""


class NotSavedError(StoreError):
    """The disk did not take the record."""


class DiskFullError(NotSavedError):
    """There is no space left; the store works again when there is some."""


class ReadOnlyError(NotSavedError):
    """This store can only be read."""


class JournalChangedError(NotSavedError):
    """The journal was moved, shortened or replaced by something else."""


class BackupError(StoreError):
    """A backup that is incomplete or damaged, or could not be made."""


class ExchangeError(StoreError):
    """A file that cannot be imported or exported."""
