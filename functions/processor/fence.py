"""Writes for a tenant while its fence lets them through: docs/applications.md says what each level asks for.

A fence is read before it is kept to, and at most a lease later it is read again. What keeps a write out of a cell that
its tenant has left is the check in the transaction, or, for plain writes, the lease.
"""

import hashlib
import random
import time
import zlib

from botocore.exceptions import ClientError

LEASE_S = 5.0  # For how long a fence that was read may be acted on: the lease of the move.
ATTEMPTS = 6  # Of one transaction, over about two seconds.
CACHE_MAX = 10_000  # Fences kept; one item each.
NOTES = (1 << 20, 1 << 53)  # Numbers of notes to the mover.
ORIGINS = (1 << 53, 1 << 62)  # Numbers of messages that were handled.
NOTE_S = 30 * 24 * 3600  # For which a note is kept that no mover takes away.
ORIGIN_S = 60 * 24 * 3600  # For which an origin is: three queues may keep a message for 14 days each.
BUSY = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


class NotServed(Exception):
    """The cell may not write for this tenant now: HTTP 503, with Retry-After where there is a time."""

    def __init__(self, why, retry_after_s=None):
        super().__init__(why)
        self.retry_after_s = retry_after_s


class Moved(Exception):
    """The tenant is in another cell, `to`: HTTP 421, or 307 to that cell."""

    def __init__(self, to):
        super().__init__(f"moved to {to}")
        self.to = to


class Refused(Exception):
    """A condition of the application's own did not hold; nothing was written."""


class Fence:
    """A shard of a fence, and when it was asked for, by a clock that does not jump."""

    def __init__(self, item, read_at):
        self.mode = item.get("mode", {}).get("S", "absent")
        self.epoch = item.get("epoch")
        self.deadline = item.get("deadline")
        self.to = item.get("to", {}).get("S")
        self.read_at = read_at

    def is_writable(self):
        return self.mode in ("OPEN", "GUARDED")

    def left_ms(self, now_ms):
        """Until a sealed fence may be opened again."""
        return int(self.deadline["N"]) - now_ms


class Writer:
    """Writes behind the fences of one cell.

    `table` has the fences, `keys` the names of the key attributes of each table that is written.
    """

    def __init__(self, client, table, keys, shards=1, clock=time.monotonic, wall=time.time, sleep=time.sleep):
        self.client = client
        self.table = table
        self.keys = keys
        self.shards = shards
        self.clock = clock
        self.wall = wall
        self.sleep = sleep
        self.kept = {}

    def strict(self, tenant, spread_by, writes, origin=None):
        """One transaction. False: the message `origin` was handled before, and nothing was written now."""
        key = self.key(tenant, spread_by)
        for attempt in range(ATTEMPTS):
            fence = self.fence(key)
            parts = self.parts(key, fence, writes, origin)
            codes = self.transact([action for _, action in parts])
            failed = {name for (name, _), code in zip(parts, codes) if code == "ConditionalCheckFailed"}
            if not codes:
                return True
            if "fence" in failed:
                self.forget(key)
            elif "origin" in failed:
                return False
            elif "write" in failed:
                raise Refused(tenant)
            self.sleep(random.uniform(0, 0.05 * 2**attempt))
        raise NotServed(f"the fence of {tenant} is busy", retry_after_s=1)

    def guarded(self, tenant, spread_by, write):
        """One plain write; a transaction while a move asks for notes."""
        if self.fence(self.key(tenant, spread_by)).mode == "OPEN":
            self.plain(write)
        else:
            self.strict(tenant, spread_by, [write])

    def lease(self, tenant, spread_by, write):
        """One plain write, for who has no router before it that keeps to the lease."""
        self.fence(self.key(tenant, spread_by))
        self.plain(write)

    def plain(self, write):
        [(kind, request)] = write.items()
        call = {"Put": "put_item", "Update": "update_item", "Delete": "delete_item"}[kind]
        try:
            getattr(self.client, call)(**request)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            raise Refused(str(error)) from error

    def parts(self, key, fence, writes, origin):
        """The transaction: the check of the fence, notes, the application's writes."""
        parts = [("fence", {"ConditionCheck": self.check(key, fence)})]
        if origin is not None:
            parts.append(("origin", {"Put": self.origin_note(key, origin)}))
        if fence.mode == "GUARDED":
            parts.append(("note", {"Put": self.note(key, writes)}))
        return parts + [("write", write) for write in writes]

    def check(self, key, fence):
        return {
            "TableName": self.table,
            "Key": key,
            "ConditionExpression": "#mode = :mode AND #epoch = :epoch",
            "ExpressionAttributeNames": {"#mode": "mode", "#epoch": "epoch"},
            "ExpressionAttributeValues": {":mode": {"S": fence.mode}, ":epoch": fence.epoch},
        }

    def note(self, key, writes):
        """Tells the mover which keys this transaction writes."""
        requests = [request for write in writes for request in write.values()]
        keys = [{"M": {"table": {"S": r["TableName"]}, "key": {"M": self.key_of(r)}}} for r in requests]
        return self.once(key, random.randrange(*NOTES), NOTE_S, {"keys": {"L": keys}})

    def key_of(self, request):
        """The key that a request writes."""
        names = self.keys[request["TableName"]]
        return request.get("Key") or {name: request["Item"][name] for name in names}

    def origin_note(self, key, origin):
        """Tells later deliveries of the same message, in this cell, that it was handled."""
        return self.once(key, origin_number(origin), ORIGIN_S, {"origin": {"S": origin}})

    def once(self, key, number, kept_s, attributes):
        expires = {"N": str(int(self.wall()) + kept_s)}
        item = {"tenant": key["tenant"], "shard": {"N": str(number)}, "expires": expires, **attributes}
        return {"TableName": self.table, "Item": item, "ConditionExpression": "attribute_not_exists(tenant)"}

    def is_handled(self, tenant, origin):
        """Whether the message was handled in this cell. Once the fence is OUT, that does not change any more."""
        key = {"tenant": {"S": tenant}, "shard": {"N": str(origin_number(origin))}}
        return "Item" in self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)

    def transact(self, actions):
        """Why each action was refused; nothing where all were done."""
        try:
            self.client.transact_write_items(TransactItems=actions)
            return []
        except ClientError as error:
            codes = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
            if not codes or set(codes) - BUSY - {"None", "ConditionalCheckFailed"}:
                raise
            return codes

    def key(self, tenant, spread_by):
        """The shard is chosen by the item, so that one busy tenant does not wear out one shard."""
        shard = zlib.crc32(spread_by.encode()) % self.shards
        return {"tenant": {"S": tenant}, "shard": {"N": str(shard)}}

    def fence(self, key):
        """The fence, OPEN or GUARDED, asked for no longer than a lease ago."""
        fence = self.kept.get(name_of(key))
        if fence is None or self.clock() - fence.read_at >= LEASE_S:
            fence = self.read(key)
        if fence.mode == "SEALED" and fence.left_ms(self.wall() * 1000) <= 0:
            self.reopen(key, fence)
            fence = self.read(key)
        if fence.is_writable():
            return fence
        tenant = key["tenant"]["S"]
        if fence.mode == "OUT":
            raise Moved(fence.to)
        if fence.mode == "SEALED":
            raise NotServed(f"{tenant} is sealed", retry_after_s=max(0.1, fence.left_ms(self.wall() * 1000) / 1000))
        raise NotServed(f"the fence of {tenant} is {fence.mode}")

    def read(self, key):
        asked_at = self.clock()
        answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        fence = Fence(answer.get("Item", {}), asked_at)
        self.forget(key)
        if fence.is_writable():
            if len(self.kept) >= CACHE_MAX:
                self.kept.clear()
            self.kept[name_of(key)] = fence
        return fence

    def forget(self, key):
        self.kept.pop(name_of(key), None)

    def reopen(self, key, fence):
        """Opens a shard that stayed sealed past its deadline: the mover is dead or late, and its FLIP now fails."""
        try:
            self.client.update_item(
                TableName=self.table,
                Key=key,
                UpdateExpression="SET #mode = :open, #epoch = #epoch + :two REMOVE #move, #token, #deadline",
                ConditionExpression="#mode = :sealed AND #epoch = :epoch AND #deadline = :deadline",
                ExpressionAttributeNames={f"#{name}": name for name in ("mode", "epoch", "move", "token", "deadline")},
                ExpressionAttributeValues={
                    ":open": {"S": "OPEN"},
                    ":two": {"N": "2"},
                    ":sealed": {"S": "SEALED"},
                    ":epoch": fence.epoch,
                    ":deadline": fence.deadline,
                },
            )
        except ClientError as error:  # Somebody else was faster: the fence is read again.
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise


def name_of(key):
    return key["tenant"]["S"], key["shard"]["N"]


def origin_number(origin):
    """A number for a message's id, apart from those of shards and notes."""
    first, end = ORIGINS
    return first + int.from_bytes(hashlib.sha256(origin.encode()).digest(), "big") % (end - first)
