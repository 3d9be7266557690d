"""A DynamoDB and an SQS as far as the example function calls them, and a boto3 where none is installed."""

import pathlib
import sys
import types


class ClientError(Exception):
    """Stands in for botocore's where that is not installed."""

    def __init__(self, response, _operation):
        super().__init__(response["Error"]["Code"])
        self.response = response


try:
    from botocore.exceptions import ClientError  # noqa: F811
    import boto3  # noqa: F401
except ImportError:
    for name in ("boto3", "botocore", "botocore.config", "botocore.exceptions"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["botocore.config"].Config = dict
    sys.modules["botocore.exceptions"].ClientError = ClientError

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "functions" / "processor"))

KEYS = {"fences": ("tenant", "shard"), "orders": ("tenantId", "orderId")}


def fence(mode, epoch=1, **more):
    item = {"mode": {"S": mode}, "epoch": {"N": str(epoch)}}
    if "deadline" in more:
        item["deadline"] = {"N": str(more["deadline"])}
    if "to" in more:
        item["to"] = {"S": more["to"]}
    return item


class Dynamo:
    """Tables of items by their keys. Each call is counted; `before` runs ahead of a write, once."""

    def __init__(self):
        self.tables = {"fences": {}, "orders": {}}
        self.calls = []
        self.before = None
        self.busy = 0

    def set_fence(self, tenant, item, shard="0"):
        self.tables["fences"][(tenant, shard)] = {"tenant": {"S": tenant}, "shard": {"N": shard}, **item}

    def notes(self, first, end):
        return [item for (_, shard), item in self.tables["fences"].items() if first <= int(shard) < end]

    def get_item(self, TableName, Key, ConsistentRead):
        assert ConsistentRead, "a fence is read consistently"
        self.calls.append("get")
        item = self.tables[TableName].get(self.key(TableName, Key))
        return {"Item": item} if item else {}

    def put_item(self, **request):
        self.single("put", {"Put": request})

    def delete_item(self, **request):
        self.single("delete", {"Delete": request})

    def update_item(self, **request):
        self.single("update", {"Update": request})

    def transact_write_items(self, TransactItems):
        self.calls.append("transact")
        self.interfere()
        if self.busy > 0:
            self.busy -= 1
            self.cancel(["TransactionConflict"] + ["None"] * (len(TransactItems) - 1))
        codes = ["None" if self.holds(item) else "ConditionalCheckFailed" for item in TransactItems]
        if set(codes) != {"None"}:
            self.cancel(codes)
        for item in TransactItems:
            self.carry_out(item)

    def cancel(self, codes):
        reasons = [{"Code": code} for code in codes]
        error = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
        raise ClientError(error, "TransactWriteItems")

    def single(self, name, item):
        self.calls.append(name)
        self.interfere()
        if not self.holds(item):
            raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, name)
        self.carry_out(item)

    def interfere(self):
        before, self.before = self.before, None
        if before:
            before()

    def key(self, table, item):
        return tuple(next(iter(item[name].values())) for name in KEYS[table])

    def holds(self, item):
        [request] = item.values()
        condition = request.get("ConditionExpression")
        there = self.tables[request["TableName"]].get(self.key(request["TableName"], request.get("Key") or request["Item"]))
        if condition is None:
            return True
        if condition.startswith("attribute_not_exists"):
            return there is None
        names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
        terms = [term.split(" = ") for term in condition.split(" AND ")]
        return there is not None and all(there.get(names[name]) == values[value] for name, value in terms)

    def carry_out(self, item):
        [(kind, request)] = item.items()
        table = self.tables[request["TableName"]]
        key = self.key(request["TableName"], request.get("Key") or request["Item"])
        if kind == "Put":
            table[key] = request["Item"]
        elif kind == "Delete":
            table.pop(key, None)
        elif kind == "Update":
            self.reopen(table[key], request)

    def reopen(self, item, request):
        """The one update that the function makes."""
        values = request["ExpressionAttributeValues"]
        assert request["UpdateExpression"] == "SET #mode = :open, #epoch = #epoch + :two REMOVE #move, #token, #deadline"
        item["mode"] = values[":open"]
        item["epoch"] = {"N": str(int(item["epoch"]["N"]) + int(values[":two"]["N"]))}
        for name in ("move", "token", "deadline"):
            item.pop(name, None)


class Sqs:
    """Keeps what is sent."""

    def __init__(self):
        self.sent = []

    def send_message(self, **message):
        self.sent.append(message)


class Clock:
    """Both clocks of a writer."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
