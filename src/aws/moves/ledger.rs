//! The ledger of a move: documents by name, in the move's partition of the control table.
//!
//! Constraints kept: written all or none, and only under the lease; a document stays below the bound of an item.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};

use crate::aws::dynamo::{built, failed_conditions, key, name_of, text, text_of};
use crate::domain::lock::Lease;
use crate::domain::moves::MoveId;
use crate::ports::moves::{LEDGER_MAX, LedgerWrite};
use crate::ports::{CallErrorKind, Called};

use super::MoveAdapter;
use super::store::move_key;

/// What the sort keys of a ledger begin with.
const DOCUMENTS: &str = "L#";

impl MoveAdapter {
    /// Writes documents under the lease; false where it is somebody else's.
    pub(super) async fn write_ledger(&self, id: &MoveId, writes: &[LedgerWrite], lease: &Lease) -> Called<bool> {
        let subject = format!("{} documents of {}", writes.len(), move_key(id));
        if writes.len() > LEDGER_MAX {
            let why = format!("one write of the ledger holds {LEDGER_MAX} documents at the most");
            return Err(self.control.error(CallErrorKind::Invalid, "dynamodb:TransactWriteItems", &subject, why));
        }
        let mut parts = vec![self.of(id).held(lease)?];
        for write in writes {
            parts.push(self.document(id, write)?);
        }
        match self.writes.transact(&self.control, &subject, &parts).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind == CallErrorKind::Conflict && failed_conditions(&error) == [0] => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn document(&self, id: &MoveId, write: &LedgerWrite) -> Called<TransactWriteItem> {
        let mut item = key(&move_key(id), &format!("{DOCUMENTS}{}", write.name));
        let part = TransactWriteItem::builder();
        let Some(body) = &write.body else {
            let delete = Delete::builder().table_name(&self.control.name).set_key(Some(item));
            return Ok(part.delete(built(delete.build())?).build());
        };
        item.insert("body".to_owned(), text(body));
        let put = Put::builder().table_name(&self.control.name).set_item(Some(item));
        Ok(part.put(built(put.build())?).build())
    }

    /// The documents whose names begin like this.
    pub(super) async fn read_ledger(&self, id: &MoveId, prefix: &str) -> Called<BTreeMap<String, String>> {
        let items = self.control.query_prefix(&move_key(id), &format!("{DOCUMENTS}{prefix}"), None).await?;
        let documents = items.iter().map(|item| {
            let name = text_of(item, "sk").and_then(|sk| sk.strip_prefix(DOCUMENTS)).map(str::to_owned);
            let document = name.zip(text_of(item, "body").map(str::to_owned));
            document.ok_or_else(|| self.control.unreadable(&name_of(item), "it has no body"))
        });
        documents.collect()
    }
}
