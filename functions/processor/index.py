"""Stores the orders that arrive on the cell's queue.

Each message takes effect in one transaction with a check of its tenant's fence and a note of the message's id, so that it
takes effect once: in this cell, or, when the tenant has moved, in the cell that it moved to.
"""

import base64
import json
import os
import time

import boto3
from botocore.config import Config

from fence import Moved, Refused, Writer
from stream import stamp


class Orders:
    """The cell's orders."""

    def __init__(self, writer, table, cell, wall=time.time):
        self.writer = writer
        self.table = table
        self.cell = cell
        self.wall = wall

    def put(self, tenant, order, origin):
        """Stores an order that is not there yet, for the message `origin`."""
        try:
            self.writer.strict(tenant, order["orderId"], [{"Put": self.item(tenant, order)}], origin)
        except Refused:  # Another message has brought the same order.
            pass

    def item(self, tenant, order):
        item = {
            "tenantId": {"S": tenant},
            "orderId": {"S": order["orderId"]},
            "body": {"S": json.dumps(order, sort_keys=True)},
            "writtenBy": stamp(self.cell, self.wall()),
        }
        if "customerId" in order:
            item["customerId"] = {"S": order["customerId"]}
        return {"TableName": self.table, "Item": item, "ConditionExpression": "attribute_not_exists(orderId)"}


class MovedQueue:
    """The cell's queue of messages whose tenants moved away. cellctl carries them to the tenant's cell."""

    def __init__(self, client, url):
        self.client = client
        self.url = url

    def send(self, record, origin):
        attributes = {name: attribute(value) for name, value in record["messageAttributes"].items()}
        attributes["cellctlQueue"] = text(record["eventSourceARN"].rsplit(":", 1)[1])
        attributes["cellctlOrigin"] = text(origin)
        group = record.get("attributes", {}).get("MessageGroupId")
        if group is not None:
            attributes["cellctlGroup"] = text(group)
        self.client.send_message(QueueUrl=self.url, MessageBody=record["body"], MessageAttributes=attributes)


def attribute(value):
    """An attribute as SQS takes it, from what Lambda makes of it."""
    if "binaryValue" in value:
        return {"DataType": value["dataType"], "BinaryValue": base64.b64decode(value["binaryValue"])}
    return {"DataType": value["dataType"], "StringValue": value["stringValue"]}


def text(value):
    return {"DataType": "String", "StringValue": value}


def origin_of(record):
    """The message's id in the queue that it was first sent to, however far it was carried."""
    carried = record["messageAttributes"].get("cellctlOrigin")
    return carried["stringValue"] if carried else record["messageId"]


def take(record, orders, moved):
    """Has one message take effect. Raises where it must come again."""
    tenant = record["messageAttributes"]["tenantId"]["stringValue"]
    origin = origin_of(record)
    try:
        orders.put(tenant, json.loads(record["body"]), origin)
    except Moved:
        # It may have taken effect here, with the answer lost: then it must not do so again elsewhere.
        if not orders.writer.is_handled(tenant, origin):
            moved.send(record, origin)


def handle(records, orders, moved):
    """Takes each record; gives the ids of those that must come again."""
    failed = []
    for record in records:
        try:
            take(record, orders, moved)
        except Exception as error:  # One bad message must not hold up the others of its batch.
            print(json.dumps({"message": record["messageId"], "error": f"{type(error).__name__}: {error}"}))
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


_parts = None


def connect(environment):
    """The tables and the queue that the cell's template names."""
    # Two tries of two seconds at the most: answered within five, the `request` of a move.
    client = boto3.client("dynamodb", config=Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 2}))
    table = environment["TABLE_ORDERS"]
    keys = {table: ("tenantId", "orderId")}
    writer = Writer(client, environment["FENCE_TABLE"], keys, int(environment["FENCE_SHARDS"]))
    return Orders(writer, table, environment["CELL"]), MovedQueue(boto3.client("sqs"), environment["QUEUE_MOVED"])


def handler(event, _context):
    """Entry point of the function."""
    global _parts
    if _parts is None:
        _parts = connect(os.environ)
    return handle(event["Records"], *_parts)
