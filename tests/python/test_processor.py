"""Tests of the example function. Run: python3 -m unittest discover tests/python (needs no AWS; boto3 if installed)."""

import json
import pathlib
import sys
import types
import unittest


class ClientError(Exception):
    """Stands in for botocore's where that is not installed."""

    def __init__(self, response, _operation):
        super().__init__(response["Error"]["Code"])
        self.response = response


try:
    from botocore.exceptions import ClientError  # noqa: F811
    import boto3  # noqa: F401
except ImportError:
    sys.modules["boto3"] = types.ModuleType("boto3")
    sys.modules["botocore"] = types.ModuleType("botocore")
    sys.modules["botocore.exceptions"] = types.ModuleType("botocore.exceptions")
    sys.modules["botocore.exceptions"].ClientError = ClientError

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "functions" / "processor"))

import index  # noqa: E402


class Client:
    """The calls that the function makes, over two dictionaries."""

    def __init__(self, fences):
        self.fences = fences
        self.orders = {}
        self.before_write = lambda: None

    def get_item(self, Key, **_):
        fence = self.fences.get(Key["tenant"]["S"])
        return {"Item": fence} if fence else {}

    def transact_write_items(self, TransactItems):
        self.before_write()
        check, put = TransactItems[0]["ConditionCheck"], TransactItems[1]["Put"]
        wanted = check["ExpressionAttributeValues"]
        fence = self.fences.get(check["Key"]["tenant"]["S"], {})
        is_open = fence.get("mode") == wanted[":open"] and fence.get("epoch") == wanted[":epoch"]
        key = (put["Item"]["tenantId"]["S"], put["Item"]["orderId"]["S"])
        reasons = [is_open, key not in self.orders]
        if not all(reasons):
            codes = [{"Code": "None" if ok else "ConditionalCheckFailed"} for ok in reasons]
            error = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": codes}
            raise ClientError(error, "TransactWriteItems")
        self.orders[key] = put["Item"]


def fence(mode, epoch=1):
    return {"mode": {"S": mode}, "epoch": {"N": str(epoch)}}


def record(message_id, tenant, body):
    text = body if isinstance(body, str) else json.dumps(body)
    return {"messageId": message_id, "body": text, "messageAttributes": {"tenantId": {"stringValue": tenant}}}


class ProcessorTest(unittest.TestCase):
    def setUp(self):
        self.client = Client({"acme": fence("OPEN"), "gone": fence("OUT", 2)})
        self.store = index.Store(self.client, "orders", "fences")

    def failures(self, *records):
        return [f["itemIdentifier"] for f in index.handle(records, self.store)["batchItemFailures"]]

    def test_an_order_is_stored(self):
        self.assertEqual(self.failures(record("m1", "acme", {"orderId": "1", "customerId": "c"})), [])
        self.assertEqual(self.client.orders[("acme", "1")]["customerId"], {"S": "c"})

    def test_a_message_that_comes_twice_takes_effect_once(self):
        first = record("m1", "acme", {"orderId": "1", "n": 1})
        again = record("m2", "acme", {"orderId": "1", "n": 2})
        self.assertEqual(self.failures(first, again), [])
        self.assertEqual(json.loads(self.client.orders[("acme", "1")]["body"]["S"])["n"], 1)

    def test_a_tenant_that_is_not_served_here_is_not_written(self):
        self.assertEqual(self.failures(record("m1", "gone", {"orderId": "1"}), record("m2", "new", {"orderId": "1"})), ["m1", "m2"])
        self.assertEqual(self.client.orders, {})

    def test_a_fence_that_closes_in_between_stops_the_write(self):
        self.client.before_write = lambda: self.client.fences.update(acme=fence("SEALED"))
        self.assertEqual(self.failures(record("m1", "acme", {"orderId": "1"})), ["m1"])
        self.assertEqual(self.client.orders, {})

    def test_a_fence_of_a_later_epoch_stops_the_write(self):
        self.client.before_write = lambda: self.client.fences.update(acme=fence("OPEN", 3))
        self.assertEqual(self.failures(record("m1", "acme", {"orderId": "1"})), ["m1"])

    def test_a_bad_message_does_not_hold_up_the_others(self):
        good = record("m2", "acme", {"orderId": "2"})
        self.assertEqual(self.failures(record("m1", "acme", "not json"), good), ["m1"])
        self.assertIn(("acme", "2"), self.client.orders)


if __name__ == "__main__":
    unittest.main()
