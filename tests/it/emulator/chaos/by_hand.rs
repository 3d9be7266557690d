//! A move without the program: the steps of the protocol in their simplest form, and each left out or done wrong.
//!
//! Constraint kept: it is begun in the cell that serves, and nothing dies; what it shows is that the writers keep to the
//! protocol, and that the check sees what a mover does that does not.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::support::chaos::{BYSTANDER, Cells, Item, Key, LEASE, Level, NOTES, REQUEST, TENANT, Writers, fence_key};

/// Writes that are waited for between two steps.
const WRITES: u64 = 60;
/// For how long the source may be sealed, in milliseconds.
const SEALED_MS: u128 = 60_000;

/// What a mover does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It does not read the notes.
    SkipsNotes,
    /// It does not carry deletes over.
    KeepsDeleted,
    /// It leaves the source's items where they are.
    KeepsSource,
    /// It lets the target open before the source is sealed.
    SkipsSeal,
    /// It does not ask for notes.
    SkipsGuard,
    /// It does not wait for the leases to run out.
    SkipsWait,
    /// It deletes whatever begins like the tenant's name.
    DeletesTooMuch,
}

/// One move, from the first cell to the second.
pub(super) struct ByHand<'a> {
    pub(super) cells: &'a Cells,
    pub(super) level: Level,
    pub(super) flaw: Option<Flaw>,
}

impl ByHand<'_> {
    /// Carries it out under these writers, up to the point where the second cell serves.
    pub(super) async fn run(&self, writers: &mut Writers) {
        self.fence(1, "INCOMING", 2, &[]).await;
        self.guard().await;
        self.copy().await;
        writers.until_acknowledged(WRITES).await;
        self.seal().await;
        self.drain().await;
        if self.flaw == Some(Flaw::SkipsSeal) {
            writers.until_acknowledged(WRITES).await;
        }
        self.fence(0, "OUT", 2, &[("to", AttributeValue::S("cell-2".to_owned()))]).await;
        self.fence(1, "OPEN", 2, &[]).await;
        self.cells.say_served_by(1).await;
    }

    async fn guard(&self) {
        if self.level == Level::Lease || self.flaw == Some(Flaw::SkipsGuard) {
            return;
        }
        self.fence(0, "GUARDED", 1, &[]).await;
        if self.level == Level::Guarded {
            self.wait().await;
        }
    }

    async fn seal(&self) {
        if self.flaw == Some(Flaw::SkipsSeal) {
            return;
        }
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() + SEALED_MS;
        self.fence(0, "SEALED", 1, &[("deadline", AttributeValue::N(deadline.to_string()))]).await;
        if self.level == Level::Lease {
            self.wait().await;
        }
    }

    /// Until no plain write can come any more that rests on what was read of the fence.
    async fn wait(&self) {
        if self.flaw != Some(Flaw::SkipsWait) {
            tokio::time::sleep(LEASE + REQUEST).await;
        }
    }

    /// Puts all that the source has.
    async fn copy(&self) {
        for (key, item) in self.cells.items_of(0, TENANT).await.into_values() {
            self.put(&key, item).await;
        }
    }

    async fn drain(&self) {
        match self.level {
            _ if self.flaw == Some(Flaw::SkipsNotes) => {}
            Level::Strict | Level::Guarded => self.reconcile_notes().await,
            Level::Lease => {
                for (key, _) in self.cells.items_of(1, TENANT).await.into_values() {
                    self.delete(1, &key, TENANT).await;
                }
                self.copy().await;
            }
        }
    }

    /// Writes every shard of a fence.
    async fn fence(&self, cell: usize, mode: &str, epoch: u64, more: &[(&str, AttributeValue)]) {
        for shard in 0..self.cells.shards {
            let request = self.cells.dynamodb.put_item().table_name(&self.cells.cells[cell].fences);
            let request = request.set_item(Some(fence_key(shard)));
            let request = request.item("mode", AttributeValue::S(mode.to_owned()));
            let request = request.item("epoch", AttributeValue::N(epoch.to_string()));
            let request = more.iter().fold(request, |request, (name, value)| request.item(*name, value.clone()));
            request.send().await.expect("written");
        }
    }

    async fn put(&self, key: &Key, item: Item) {
        let request = self.cells.dynamodb.put_item().table_name(&self.cells.cells[1].tables[key.table]);
        request.set_item(Some(item)).send().await.expect("written");
    }

    async fn delete(&self, cell: usize, key: &Key, tenant: &str) {
        let request = self.cells.dynamodb.delete_item().table_name(&self.cells.cells[cell].tables[key.table]);
        request.set_key(Some(key.attributes_of(tenant))).send().await.expect("deleted");
    }

    /// Reads the notes, and makes each of their keys on the target what it is on the source.
    async fn reconcile_notes(&self) {
        let request = self.cells.dynamodb.query().table_name(&self.cells.cells[0].fences).consistent_read(true);
        let request = request.key_condition_expression("tenant = :tenant AND #shard BETWEEN :first AND :last");
        let request = request.expression_attribute_values(":tenant", AttributeValue::S(TENANT.to_owned()));
        let request = request.expression_attribute_names("#shard", "shard");
        let request = request.expression_attribute_values(":first", AttributeValue::N(NOTES.start.to_string()));
        let request = request.expression_attribute_values(":last", AttributeValue::N((NOTES.end - 1).to_string()));
        let mut notes = request.into_paginator().items().send();
        while let Some(note) = notes.next().await {
            let note = note.expect("read");
            for noted in note["keys"].as_l().expect("a list") {
                self.reconcile(&self.cells.noted(noted)).await;
            }
        }
    }

    async fn reconcile(&self, key: &Key) {
        let request = self.cells.dynamodb.get_item().table_name(&self.cells.cells[0].tables[key.table]);
        let request = request.set_key(Some(key.attributes())).consistent_read(true);
        match request.send().await.expect("read").item {
            Some(item) => self.put(key, item).await,
            None if self.flaw == Some(Flaw::KeepsDeleted) => {}
            None => self.delete(1, key, TENANT).await,
        }
    }

    /// Deletes what the source still has.
    pub(super) async fn clean(&self) {
        let tenants: &[&str] = match self.flaw {
            Some(Flaw::KeepsSource) => &[],
            Some(Flaw::DeletesTooMuch) => &[TENANT, BYSTANDER],
            _ => &[TENANT],
        };
        for tenant in tenants {
            for (key, _) in self.cells.items_of(0, tenant).await.into_values() {
                self.delete(0, &key, tenant).await;
            }
        }
    }
}
