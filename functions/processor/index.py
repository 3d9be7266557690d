"""Stores the orders that arrive on the cell's queue.

Each order is written in one transaction with a check of its tenant's fence: a cell that is no longer, or not yet, the
tenant's cell writes nothing, and the message waits. A message may arrive twice; the second time changes nothing.
"""

import json
import os
import zlib

import boto3
from botocore.exceptions import ClientError

FENCE_SHARDS = int(os.environ.get("FENCE_SHARDS", "1"))


class NotServed(Exception):
    """The cell may not write for this tenant now."""


class Store:
    """The cell's tables."""

    def __init__(self, client, orders_table, fence_table, shards=FENCE_SHARDS):
        self.client = client
        self.orders_table = orders_table
        self.fence_table = fence_table
        self.shards = shards

    def put(self, tenant, order):
        """Writes an order once. Raises NotServed when the tenant's fence is not open."""
        fence = self.fence_key(tenant, order["orderId"])
        epoch = self.open_epoch(fence)
        try:
            self.client.transact_write_items(
                TransactItems=[
                    {"ConditionCheck": self.fence_check(fence, epoch)},
                    {"Put": self.order_put(tenant, order)},
                ]
            )
        except ClientError as error:
            if not already_stored(error):
                raise

    def fence_key(self, tenant, order_id):
        """The shard is chosen by the order, so that one busy tenant does not wear out one item."""
        shard = zlib.crc32(order_id.encode()) % self.shards
        return {"tenant": {"S": tenant}, "shard": {"N": str(shard)}}

    def open_epoch(self, fence):
        """The epoch under which the tenant may be written."""
        answer = self.client.get_item(TableName=self.fence_table, Key=fence, ConsistentRead=True)
        item = answer.get("Item", {})
        mode = item.get("mode", {}).get("S", "absent")
        if mode != "OPEN":
            raise NotServed(f"the fence of {fence['tenant']['S']} is {mode}")
        return item["epoch"]

    def fence_check(self, fence, epoch):
        return {
            "TableName": self.fence_table,
            "Key": fence,
            "ConditionExpression": "#mode = :open AND #epoch = :epoch",
            "ExpressionAttributeNames": {"#mode": "mode", "#epoch": "epoch"},
            "ExpressionAttributeValues": {":open": {"S": "OPEN"}, ":epoch": epoch},
        }

    def order_put(self, tenant, order):
        item = {
            "tenantId": {"S": tenant},
            "orderId": {"S": order["orderId"]},
            "body": {"S": json.dumps(order, sort_keys=True)},
        }
        if "customerId" in order:
            item["customerId"] = {"S": order["customerId"]}
        return {
            "TableName": self.orders_table,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(orderId)",
        }


def already_stored(error):
    """Whether a transaction failed for no other reason than that the order is there."""
    reasons = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
    return reasons == ["None", "ConditionalCheckFailed"]


def handle(records, store):
    """Stores each record's order; gives the ids of those that must come again."""
    failed = []
    for record in records:
        try:
            tenant = record["messageAttributes"]["tenantId"]["stringValue"]
            store.put(tenant, json.loads(record["body"]))
        except Exception as error:  # One bad message must not hold up the others of its batch.
            print(json.dumps({"message": record["messageId"], "error": f"{type(error).__name__}: {error}"}))
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


_store = None


def handler(event, _context):
    """Entry point of the function."""
    global _store
    if _store is None:
        _store = Store(boto3.client("dynamodb"), os.environ["TABLE_ORDERS"], os.environ["FENCE_TABLE"])
    return handle(event["Records"], _store)
