"""Tests of what a writer does at each level and in each mode of the fence."""

import unittest

from fakes import Clock, Dynamo, fence

from fence import LEASE_S, NOTES, ORIGINS, Moved, NotServed, Refused, Writer, origin_number


def put(order, condition=None):
    item = {"tenantId": {"S": "acme"}, "orderId": {"S": order}}
    request = {"TableName": "orders", "Item": item}
    return {"Put": request | ({"ConditionExpression": condition} if condition else {})}


def delete(order):
    return {"Delete": {"TableName": "orders", "Key": put(order)["Put"]["Item"]}}


class FenceTest(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        self.dynamo = Dynamo()
        keys = {"orders": ("tenantId", "orderId")}
        self.writer = Writer(self.dynamo, "fences", keys, 1, self.clock, self.clock, self.clock.sleep)
        self.dynamo.set_fence("acme", fence("OPEN"))

    def now_ms(self):
        return int(self.clock.now * 1000)

    def stored(self):
        return sorted(order for _, order in self.dynamo.tables["orders"])

    def fence(self):
        return self.dynamo.tables["fences"][("acme", "0")]


class StrictTest(FenceTest):
    def test_an_open_fence_is_checked_and_kept_for_a_lease(self):
        self.writer.strict("acme", "1", [put("1")])
        self.writer.strict("acme", "2", [put("2")])
        self.assertEqual(self.dynamo.calls, ["get", "transact", "transact"])
        self.clock.now += LEASE_S
        self.writer.strict("acme", "3", [put("3")])
        self.assertEqual(self.dynamo.calls[3:], ["get", "transact"])
        self.assertEqual(self.stored(), ["1", "2", "3"])
        self.assertEqual(self.dynamo.notes(*NOTES), [])

    def test_a_guarded_fence_gets_a_note_with_every_key(self):
        self.writer.strict("acme", "0", [put("0")])
        self.dynamo.set_fence("acme", fence("GUARDED"))
        self.writer.strict("acme", "1", [put("1"), delete("0")])
        [note] = self.dynamo.notes(*NOTES)
        keys = [(key["M"]["table"]["S"], key["M"]["key"]["M"]["orderId"]["S"]) for key in note["keys"]["L"]]
        self.assertEqual(keys, [("orders", "1"), ("orders", "0")])
        self.assertEqual(set(note["keys"]["L"][0]["M"]["key"]["M"]), {"tenantId", "orderId"})
        self.assertEqual(int(note["expires"]["N"]), int(self.clock.now) + 30 * 24 * 3600)
        self.assertEqual(self.stored(), ["1"])

    def test_a_fence_that_is_sealed_in_between_stops_the_write(self):
        sealed = fence("SEALED", deadline=self.now_ms() + 3000)
        self.dynamo.before = lambda: self.dynamo.set_fence("acme", sealed)
        with self.assertRaises(NotServed) as caught:
            self.writer.strict("acme", "1", [put("1")])
        self.assertLessEqual(caught.exception.retry_after_s, 3)
        self.assertGreater(caught.exception.retry_after_s, 2)
        self.assertEqual(self.stored(), [])

    def test_a_later_epoch_is_read_and_written_under(self):
        self.dynamo.before = lambda: self.dynamo.set_fence("acme", fence("OPEN", 3))
        self.writer.strict("acme", "1", [put("1")])
        self.assertEqual(self.dynamo.calls, ["get", "transact", "get", "transact"])
        self.assertEqual(self.stored(), ["1"])

    def test_a_tenant_that_moved_is_said_to_be_elsewhere(self):
        self.dynamo.set_fence("acme", fence("OUT", 2, to="cell-2"))
        with self.assertRaises(Moved) as caught:
            self.writer.strict("acme", "1", [put("1")])
        self.assertEqual(caught.exception.to, "cell-2")

    def test_no_other_mode_is_written_under(self):
        for mode in ("INCOMING", "CLOSED", "WHATEVER"):
            self.dynamo.set_fence("acme", fence(mode))
            with self.assertRaises(NotServed):
                self.writer.strict("acme", "1", [put("1")])
        with self.assertRaises(NotServed):
            self.writer.strict("nobody", "1", [put("1")])
        self.assertNotIn("transact", self.dynamo.calls)

    def test_the_condition_of_the_application_is_told_from_the_fence(self):
        self.writer.strict("acme", "1", [put("1", "attribute_not_exists(orderId)")])
        with self.assertRaises(Refused):
            self.writer.strict("acme", "1", [put("1", "attribute_not_exists(orderId)")])

    def test_a_conflict_is_tried_again_but_not_for_ever(self):
        self.dynamo.busy = 2
        self.writer.strict("acme", "1", [put("1")])
        self.assertEqual(self.dynamo.calls.count("transact"), 3)
        self.dynamo.busy = 100
        with self.assertRaises(NotServed):
            self.writer.strict("acme", "2", [put("2")])
        self.assertEqual(self.dynamo.calls.count("transact"), 9)
        self.assertEqual(self.stored(), ["1"])

    def test_shards_are_spread_by_the_item_and_checked_one_by_one(self):
        keys = {"orders": ("tenantId", "orderId")}
        writer = Writer(self.dynamo, "fences", keys, 4, self.clock, self.clock, self.clock.sleep)
        shards = {writer.key("acme", str(n))["shard"]["N"] for n in range(100)}
        self.assertEqual(shards, {"0", "1", "2", "3"})
        for shard in shards:
            self.dynamo.set_fence("acme", fence("OPEN" if shard == "2" else "OUT", to="b"), shard)
        written = []
        for n in range(20):
            try:
                writer.strict("acme", str(n), [put(str(n))])
                written.append(writer.key("acme", str(n))["shard"]["N"])
            except Moved:
                pass
        self.assertEqual(set(written), {"2"})


class ReopenTest(FenceTest):
    def test_past_its_deadline_a_writer_opens_the_shard_two_epochs_on(self):
        self.dynamo.set_fence("acme", fence("SEALED", 7, deadline=self.now_ms()) | {"move": {"S": "acme:1"}})
        self.writer.strict("acme", "1", [put("1")])
        expected = {"tenant": {"S": "acme"}, "shard": {"N": "0"}, "mode": {"S": "OPEN"}, "epoch": {"N": "9"}}
        self.assertEqual(self.fence(), expected)
        self.assertEqual(self.stored(), ["1"])

    def test_before_its_deadline_it_stays_sealed(self):
        self.dynamo.set_fence("acme", fence("SEALED", deadline=self.now_ms() + 1))
        with self.assertRaises(NotServed):
            self.writer.strict("acme", "1", [put("1")])
        self.assertEqual(self.fence()["mode"], {"S": "SEALED"})

    def test_who_comes_second_finds_what_the_first_has_done(self):
        self.dynamo.set_fence("acme", fence("SEALED", deadline=0))
        self.dynamo.before = lambda: self.dynamo.set_fence("acme", fence("OUT", 2, to="cell-2"))
        with self.assertRaises(Moved):
            self.writer.strict("acme", "1", [put("1")])
        self.assertEqual(self.fence()["mode"], {"S": "OUT"})


class PlainTest(FenceTest):
    def test_guarded_writes_plainly_while_the_fence_is_open(self):
        self.writer.guarded("acme", "1", put("1"))
        self.writer.guarded("acme", "1", delete("1"))
        self.assertEqual(self.dynamo.calls, ["get", "put", "delete"])

    def test_guarded_writes_transactions_with_notes_while_the_fence_is_guarded(self):
        self.dynamo.set_fence("acme", fence("GUARDED"))
        self.writer.guarded("acme", "1", put("1"))
        self.assertEqual(self.dynamo.calls, ["get", "transact"])
        self.assertEqual(len(self.dynamo.notes(*NOTES)), 1)

    def test_a_plain_write_never_rests_on_a_fence_older_than_the_lease(self):
        for level in (self.writer.guarded, self.writer.lease):
            self.dynamo.set_fence("acme", fence("OPEN"))
            self.clock.now += LEASE_S
            level("acme", "1", put("1"))
            self.dynamo.set_fence("acme", fence("OUT", 2, to="b"))
            self.clock.now += LEASE_S
            with self.assertRaises(Moved):
                level("acme", "2", put("2"))
        self.assertEqual(self.stored(), ["1"])

    def test_the_lease_begins_when_the_fence_is_asked_for(self):
        real, self.dynamo.get_item = self.dynamo.get_item, None

        def slow(**request):
            answer = real(**request)
            self.clock.now += LEASE_S
            return answer

        self.dynamo.get_item = slow
        self.writer.lease("acme", "1", put("1"))
        self.writer.lease("acme", "2", put("2"))
        self.assertEqual(self.dynamo.calls, ["get", "put", "get", "put"])

    def test_lease_writes_plainly_whatever_the_move_does_until_it_is_sealed(self):
        self.dynamo.set_fence("acme", fence("GUARDED"))
        self.writer.lease("acme", "1", put("1"))
        self.assertEqual(self.dynamo.calls, ["get", "put"])
        with self.assertRaises(Refused):
            self.writer.lease("acme", "1", put("1", "attribute_not_exists(orderId)"))


class OriginTest(FenceTest):
    def test_a_message_takes_effect_once(self):
        self.assertTrue(self.writer.strict("acme", "1", [put("1")], "m1"))
        self.assertFalse(self.writer.strict("acme", "2", [put("2")], "m1"))
        self.assertEqual(self.stored(), ["1"])
        [note] = self.dynamo.notes(*ORIGINS)
        self.assertEqual(note["origin"], {"S": "m1"})
        self.assertGreater(int(note["expires"]["N"]), self.clock.now + 42 * 24 * 3600)
        self.assertTrue(self.writer.is_handled("acme", "m1"))
        self.assertFalse(self.writer.is_handled("acme", "m2"))

    def test_numbers_are_those_of_no_shard_and_no_note(self):
        for n in range(1000):
            self.assertTrue(ORIGINS[0] <= origin_number(f"m{n}") < ORIGINS[1])
        self.assertEqual(NOTES[1], ORIGINS[0])


if __name__ == "__main__":
    unittest.main()
