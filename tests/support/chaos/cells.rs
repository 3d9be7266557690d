//! Two cells with two tables each, and a tenant in the first.
//!
//! Constraint kept: made by the program itself, so that `cellctl tenant move` accepts them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;

use super::items::{Item, Key, number, text, text_of};
use super::requests::fence_key;
use crate::support::emulator::Shop;

/// The tenant that is moved.
pub(crate) const TENANT: &str = "acme";
/// A tenant whose name begins alike, and whose items nobody may touch.
pub(crate) const BYSTANDER: &str = "acme-2";
/// Items of the bystander in each table of each cell.
const BYSTANDING: usize = 3;

/// A cell's tables.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    /// Its name in the definitions.
    pub(crate) name: String,
    /// Its fence table.
    pub(crate) fences: String,
    /// Its tables: the tenant is the partition key, or a prefix of it.
    pub(crate) tables: [String; 2],
}

/// Two cells, and how to reach them.
pub(crate) struct Cells {
    /// The fleet.
    pub(crate) shop: Shop,
    /// The cells.
    pub(crate) cells: [Cell; 2],
    /// Shards of a fence.
    pub(crate) shards: u64,
    /// The writers' client.
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    values: AtomicU64,
}

fn definition(cell: &str, shards: u64) -> String {
    format!(
        "apiVersion: cellctl/v1\nkind: Cell\nmetadata: {{ name: {cell} }}\nspec:\n  type: shared\n  \
         capacity: {{ tenants: 10 }}\n  fenceShards: {shards}\n  tables:\n    \
         orders: {{ partitionKey: tenantId, sortKey: id, tenant: {{ by: partitionKey }} }}\n    \
         lines: {{ partitionKey: pk, tenant: {{ by: prefix, separator: \"#\" }} }}\n"
    )
}

impl Cells {
    /// Makes them. `test` is unique in the suite.
    pub(crate) async fn make(test: &str, shards: u64) -> Self {
        let shop = Shop::empty(test).await;
        let names = ["cell-1", "cell-2"];
        for name in names {
            shop.write(&format!("cells/{name}.yaml"), &definition(name, shards));
        }
        let shop = shop.applied().await;
        shop.run(&["tenant", "add", TENANT, "--to", "cell-1", "--yes"]).await.exits(0);
        let cells = names.map(|name| Cell {
            name: name.to_owned(),
            fences: format!("{}-fences", shop.stack(name)),
            tables: ["orders", "lines"].map(|table| format!("{}-{table}", shop.stack(name))),
        });
        let dynamodb = shop.aws.dynamodb.clone();
        let made = Self { shop, cells, shards, dynamodb, values: AtomicU64::new(1) };
        made.stand_by().await;
        made
    }

    async fn stand_by(&self) {
        for (cell, table) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            for n in 0..BYSTANDING {
                let item = Key { table, name: format!("b{n}") }.attributes_of(BYSTANDER);
                let request = self.dynamodb.put_item().table_name(&self.cells[cell].tables[table]);
                request.set_item(Some(item)).send().await.expect("written");
            }
        }
    }

    /// As it was when it was made, but for the bystander and the values.
    pub(crate) async fn reset(&self) {
        for cell in 0..2 {
            for (key, _) in self.items_of(cell, TENANT).await.into_values() {
                self.forget(&self.cells[cell].tables[key.table], key.attributes()).await;
            }
            for item in self.shop.aws.items(&self.cells[cell].fences).await {
                let key = ["tenant", "shard"].map(|name| (name.to_owned(), item[name].clone()));
                self.forget(&self.cells[cell].fences, key.into()).await;
            }
        }
        for shard in 0..self.shards {
            let request = self.dynamodb.put_item().table_name(&self.cells[0].fences).set_item(Some(fence_key(shard)));
            request.item("mode", text("OPEN")).item("epoch", number(1)).send().await.expect("written");
        }
        self.stand_by().await;
        self.say_served_by(0).await;
    }

    async fn forget(&self, table: &str, key: Item) {
        self.dynamodb.delete_item().table_name(table).set_key(Some(key)).send().await.expect("deleted");
    }

    /// A value that was never written.
    pub(crate) fn next_value(&self) -> u64 {
        self.values.fetch_add(1, Ordering::Relaxed)
    }

    /// Which cell has this name.
    pub(crate) fn index_of(&self, name: &str) -> usize {
        self.cells.iter().position(|cell| cell.name == name).expect("one of the two")
    }

    /// The cell that serves the tenant, as the map says.
    pub(crate) async fn serving(&self) -> usize {
        self.index_of(text_of(&self.entry().await, "cell").expect("a cell"))
    }

    /// Writes into the map which cell serves the tenant: that alone, for a move without the program.
    pub(crate) async fn say_served_by(&self, cell: usize) {
        let entry = self.entry().await;
        let request = self.dynamodb.update_item().table_name(self.shop.tenants_table());
        let request = request.key("pk", entry["pk"].clone()).key("sk", entry["sk"].clone());
        let request = request.update_expression("SET cell = :cell");
        let cell = text(&self.cells[cell].name);
        request.expression_attribute_values(":cell", cell).send().await.expect("written");
    }

    /// The tenant's item of the map.
    async fn entry(&self) -> Item {
        let is_its = |item: &Item| {
            text_of(item, "sk") == Some(TENANT) && text_of(item, "pk").is_some_and(|pk| pk.starts_with("MAP#"))
        };
        self.shop.aws.items(&self.shop.tenants_table()).await.into_iter().find(is_its).expect("an entry")
    }

    /// The key that a note of a writer in the first cell names.
    pub(crate) fn noted(&self, noted: &AttributeValue) -> Key {
        let noted = noted.as_m().expect("a table and a key");
        let table = self.cells[0].tables.iter().position(|table| text_of(noted, "table") == Some(table));
        Key::of(table.expect("one of its tables"), noted["key"].as_m().expect("a key")).1
    }

    /// All items of a table of a cell.
    pub(crate) async fn items(&self, cell: usize, table: usize) -> Vec<Item> {
        let request = self.dynamodb.scan().table_name(&self.cells[cell].tables[table]).consistent_read(true);
        let mut pages = request.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.expect("scanned"));
        }
        items
    }

    /// The items of a tenant in both tables of a cell, by key.
    pub(crate) async fn items_of(&self, cell: usize, tenant: &str) -> HashMap<String, (Key, Item)> {
        let mut found = HashMap::new();
        for table in 0..2 {
            for item in self.items(cell, table).await {
                let (owner, key) = Key::of(table, &item);
                if owner == tenant {
                    found.insert(format!("{table}/{}", key.name), (key, item));
                }
            }
        }
        found
    }

    /// Whether every item of the bystander is where it was.
    pub(crate) async fn bystander_is_whole(&self) -> bool {
        for cell in 0..2 {
            if self.items_of(cell, BYSTANDER).await.len() != 2 * BYSTANDING {
                return false;
            }
        }
        true
    }
}
