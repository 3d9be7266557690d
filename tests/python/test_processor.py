"""Tests of the queue's consumer. Run: python3 -m unittest discover tests/python (needs no AWS; boto3 if installed)."""

import base64
import json
import unittest

from fakes import Clock, Dynamo, Sqs, fence

import index
from fence import ORIGINS, Writer


def record(message_id, tenant, body, **attributes):
    body = body if isinstance(body, str) else json.dumps(body)
    attributes = {"tenantId": tenant, **attributes}
    return {
        "messageId": message_id,
        "body": body,
        "messageAttributes": {n: {"stringValue": v, "dataType": "String"} for n, v in attributes.items()},
        "eventSourceARN": "arn:aws:sqs:eu-central-1:111122223333:shop-cell-1-orders",
    }


class ProcessorTest(unittest.TestCase):
    def setUp(self):
        clock = Clock()
        self.dynamo, self.sqs = Dynamo(), Sqs()
        writer = Writer(self.dynamo, "fences", {"orders": ("tenantId", "orderId")}, 1, clock, clock, clock.sleep)
        self.orders = index.Orders(writer, "orders", "shop-cell-1", clock)
        self.moved = index.MovedQueue(self.sqs, "moved-url")
        self.dynamo.set_fence("acme", fence("OPEN"))
        self.dynamo.set_fence("gone", fence("OUT", 2, to="cell-2"))

    def failures(self, *records):
        return [f["itemIdentifier"] for f in index.handle(records, self.orders, self.moved)["batchItemFailures"]]

    def stored(self):
        return self.dynamo.tables["orders"]

    def test_an_order_is_stored_and_stamped(self):
        self.assertEqual(self.failures(record("m1", "acme", {"orderId": "1", "customerId": "c"})), [])
        order = self.stored()[("acme", "1")]
        self.assertEqual(order["customerId"], {"S": "c"})
        self.assertEqual(order["writtenBy"], {"M": {"cell": {"S": "shop-cell-1"}, "at": {"N": "1000"}}})

    def test_an_order_that_comes_twice_takes_effect_once(self):
        first = record("m1", "acme", {"orderId": "1", "n": 1})
        again = record("m2", "acme", {"orderId": "1", "n": 2})
        self.assertEqual(self.failures(first, again, first), [])
        self.assertEqual(json.loads(self.stored()[("acme", "1")]["body"]["S"])["n"], 1)

    def test_a_sealed_tenant_and_an_unknown_one_wait(self):
        self.dynamo.set_fence("acme", fence("SEALED", deadline=2_000_000))
        self.dynamo.set_fence("coming", fence("INCOMING", 2))
        tenants = ["acme", "coming", "nobody"]
        messages = [record(f"m{n}", tenant, {"orderId": "1"}) for n, tenant in enumerate(tenants)]
        self.assertEqual(self.failures(*messages), ["m0", "m1", "m2"])
        self.assertEqual((self.stored(), self.sqs.sent), ({}, []))

    def test_a_message_of_a_tenant_that_moved_is_sent_on(self):
        message = record("m1", "gone", {"orderId": "1"}, colour="red")
        message["messageAttributes"]["blob"] = {"binaryValue": base64.b64encode(b"\0").decode(), "dataType": "Binary"}
        message["attributes"] = {"MessageGroupId": "g"}
        self.assertEqual(self.failures(message), [])
        text = lambda value: {"DataType": "String", "StringValue": value}  # noqa: E731
        attributes = {
            "tenantId": text("gone"),
            "colour": text("red"),
            "blob": {"DataType": "Binary", "BinaryValue": b"\0"},
            "cellctlQueue": text("shop-cell-1-orders"),
            "cellctlOrigin": text("m1"),
            "cellctlGroup": text("g"),
        }
        expected = {"QueueUrl": "moved-url", "MessageBody": message["body"], "MessageAttributes": attributes}
        self.assertEqual(self.sqs.sent, [expected])

    def test_a_message_that_took_effect_before_the_move_is_not_sent_on(self):
        message = record("m1", "acme", {"orderId": "1"})
        self.failures(message)
        self.dynamo.set_fence("acme", fence("OUT", 2, to="cell-2"))
        self.assertEqual(self.failures(message), [])
        self.assertEqual(self.sqs.sent, [])

    def test_a_message_that_was_carried_takes_effect_once(self):
        carried = record("m8", "acme", {"orderId": "1"}, cellctlOrigin="m1")
        again = record("m9", "acme", {"orderId": "2"}, cellctlOrigin="m1")
        self.assertEqual(self.failures(carried, again), [])
        self.assertEqual(list(self.stored()), [("acme", "1")])
        self.assertEqual([note["origin"]["S"] for note in self.dynamo.notes(*ORIGINS)], ["m1"])

    def test_a_message_that_is_carried_on_keeps_its_first_id(self):
        self.failures(record("m9", "gone", {"orderId": "1"}, cellctlOrigin="m1", cellctlQueue="shop-cell-0-orders"))
        [sent] = self.sqs.sent
        self.assertEqual(sent["MessageAttributes"]["cellctlOrigin"]["StringValue"], "m1")
        self.assertEqual(sent["MessageAttributes"]["cellctlQueue"]["StringValue"], "shop-cell-1-orders")

    def test_a_bad_message_does_not_hold_up_the_others(self):
        good = record("m2", "acme", {"orderId": "2"})
        self.assertEqual(self.failures(record("m1", "acme", "not json"), good), ["m1"])
        self.assertIn(("acme", "2"), self.stored())


if __name__ == "__main__":
    unittest.main()
