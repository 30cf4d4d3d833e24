"""Words for the process that keeps a build of the lists waiting."""

import re

from warehouse.database import LOCK_DESCRIPTION

HOLDER_PATTERN = re.compile(
    r": (?:process \d+(?: \(.*, running since (?P<since>[\d-]+ [\d:]+ UTC)\))?|another process) "
    rf"(?:(?P<is_own>runs another [\w. ]+?)|{re.escape(LOCK_DESCRIPTION)})(?= \(waiting|\. |$)"
)
"""The holder of a lock in the messages of `exclusive_lock` and `describe_lock_error`: process, command and start."""


def replace_lock_holder(message: str) -> str:
    """Return a message with words in place of the folder and the command line of the process that holds a lock."""
    match = HOLDER_PATTERN.search(message)
    if match is None:
        return message
    holder = "Another run of RecoMart" if match["is_own"] else "Another program"
    since = f", since {match['since']}" if match["since"] else ""
    return f"{holder} uses the warehouse{since}{message[match.end() :]}"
