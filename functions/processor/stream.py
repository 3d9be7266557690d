"""Follows the stream of the orders, without taking the writes of a move for the application's.

A move copies items as they are and deletes them where they were, and the stream shows both. It shows them late, too: a
write of the application may be looked at after the tenant has left the cell. So the fence, as it is now, cannot tell whose
a record is. The item can: every write of the application stamps it with the cell and the time.
"""

import json
import os

# AWS takes no request that was signed longer ago than five minutes; the rest is for retries and clocks.
STAMP_AGE_MAX_S = 600


def stamp(cell, now_s):
    """Goes into the item with every put and every update, as `writtenBy`."""
    return {"M": {"cell": {"S": cell}, "at": {"N": str(int(now_s))}}}


def is_own_write(record, cell):
    """Whether the application has written this in this cell. No delete counts: it carries no stamp of its own."""
    change = record["dynamodb"]
    written_by = change.get("NewImage", {}).get("writtenBy", {}).get("M")
    if written_by is None or written_by["cell"]["S"] != cell:
        return False
    age_s = change["ApproximateCreationDateTime"] - int(written_by["at"]["N"])
    return abs(age_s) <= STAMP_AGE_MAX_S


def handle(records, cell, effect):
    """Has each write of the application take effect; what fails, and all behind it, comes again."""
    for record in records:
        try:
            if is_own_write(record, cell):
                effect(record["dynamodb"]["NewImage"])
        except Exception as error:
            number = record["dynamodb"]["SequenceNumber"]
            print(json.dumps({"record": number, "error": f"{type(error).__name__}: {error}"}))
            return {"batchItemFailures": [{"itemIdentifier": number}]}
    return {"batchItemFailures": []}


def announce(order):
    """The effect of the example. It may happen twice for one write, as with any stream."""
    print(json.dumps({"stored": order["orderId"]["S"], "tenant": order["tenantId"]["S"]}))


def handler(event, _context):
    """Entry point of a function that lists the table under `streams`."""
    return handle(event["Records"], os.environ["CELL"], announce)
