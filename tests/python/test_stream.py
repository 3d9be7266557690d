"""Tests of how the application's writes are told from those of a move."""

import unittest

import fakes  # noqa: F401  puts the function's folder on the path
import stream

NOW_S = 1_800_000_000


def record(kind, cell=None, age_s=1, number="7"):
    image = {"tenantId": {"S": "acme"}, "orderId": {"S": "1"}}
    if cell:
        image["writtenBy"] = stream.stamp(cell, NOW_S - age_s)
    change = {"ApproximateCreationDateTime": NOW_S, "SequenceNumber": number}
    change["OldImage" if kind == "REMOVE" else "NewImage"] = image
    return {"eventName": kind, "dynamodb": change}


class StreamTest(unittest.TestCase):
    def effects(self, *records):
        seen = []
        answer = stream.handle(records, "cell-1", lambda order: seen.append(order["orderId"]["S"]))
        self.assertEqual(answer, {"batchItemFailures": []})
        return len(seen)

    def test_a_write_of_this_cell_has_its_effect(self):
        self.assertEqual(self.effects(record("INSERT", "cell-1"), record("MODIFY", "cell-1", age_s=0)), 2)

    def test_what_a_move_brought_from_another_cell_has_none(self):
        self.assertEqual(self.effects(record("INSERT", "cell-2"), record("MODIFY", "cell-2")), 0)

    def test_what_a_move_brought_back_has_none(self):
        self.assertEqual(self.effects(record("INSERT", "cell-1", age_s=stream.STAMP_AGE_MAX_S + 1)), 0)

    def test_a_delete_has_none_whoever_did_it(self):
        self.assertEqual(self.effects(record("REMOVE", "cell-1")), 0)

    def test_an_item_without_a_stamp_has_none(self):
        self.assertEqual(self.effects(record("INSERT")), 0)

    def test_what_fails_comes_again_with_all_behind_it(self):
        records = [record("INSERT", "cell-1", number=str(n)) for n in range(3)]
        seen = []

        def effect(_order):
            seen.append(len(seen))
            if len(seen) == 2:
                raise ValueError("no")

        answer = stream.handle(records, "cell-1", effect)
        self.assertEqual(answer, {"batchItemFailures": [{"itemIdentifier": "1"}]})
        self.assertEqual(len(seen), 2)


if __name__ == "__main__":
    unittest.main()
