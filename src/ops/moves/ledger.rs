//! The documents that the data plane keeps in the ledger of a move: their names, and what they say.
//!
//! Constraint kept: every write is under the lease, and can be repeated.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ops::{ErrorKind, OpError};
use crate::ports::moves::{LEDGER_MAX, LedgerWrite};

use super::context::Context;
use super::dirty::TableKey;
use super::halt::Halt;
use super::pace::patiently;

/// Names of chunks of dirty keys begin like this.
pub(super) const DIRTY: &str = "dirty/";
/// Names of positions in the streams begin like this.
pub(super) const POSITIONS: &str = "pos/";
/// Names of the copy's cursors begin like this.
pub(super) const COPY: &str = "copy/";
/// Where the move stood when it was stored last.
pub(super) const PROGRESS: &str = "progress";
/// What the source held when the grace period began.
pub(super) const SOAK: &str = "soak";
/// Up to when the streams were read when that was stored last.
pub(super) const CAUGHT: &str = "caught";

/// Keys and bytes of a chunk: 25 of them are below the 4 MB of a transaction.
const CHUNK_KEYS: usize = 300;
const CHUNK_BYTES: usize = 100_000;

/// A document.
pub(super) fn document(name: String, body: &impl Serialize) -> Result<LedgerWrite, Halt> {
    let body = serde_json::to_string(body).map_err(|error| unwritable(&name, &error))?;
    Ok(LedgerWrite { name, body: Some(body) })
}

/// What a document says.
pub(super) fn parse<T: DeserializeOwned>(context: &Context<'_>, name: &str, body: &str) -> Result<T, Halt> {
    serde_json::from_str(body).map_err(|error| unreadable(context, name, &error))
}

fn unreadable(context: &Context<'_>, name: &str, error: &dyn std::error::Error) -> Halt {
    let message = format!("document {name} in the ledger of move {} cannot be read: {error}", context.plan.id);
    let hint = "carry the move on with the version of cellctl that it was begun with, or abort it";
    Halt::Failed(OpError::new(ErrorKind::Failed, message).hint(hint))
}

/// The documents whose names begin like this.
pub(super) async fn read(context: &Context<'_>, prefix: &str) -> Result<BTreeMap<String, String>, Halt> {
    patiently(context, || context.world.moves.ledger(&context.plan.id, prefix)).await
}

/// Writes documents in their order, under the lease.
pub(super) async fn write(context: &Context<'_>, writes: &[LedgerWrite]) -> Result<(), Halt> {
    for part in writes.chunks(LEDGER_MAX) {
        let put = || context.world.moves.put_ledger(&context.plan.id, part, context.lease.lease());
        if !patiently(context, put).await? {
            return Err(Halt::Lost);
        }
    }
    Ok(())
}

/// Chunks of dirty keys, each with a number that `number` gives.
pub(super) fn chunks<'k>(
    keys: impl Iterator<Item = &'k TableKey>,
    mut number: impl FnMut() -> u64,
) -> Result<Vec<(u64, LedgerWrite)>, Halt> {
    let mut chunks = Vec::new();
    let (mut texts, mut bytes) = (Vec::new(), 0);
    for key in keys {
        let text = serde_json::to_string(key).map_err(|error| unwritable(DIRTY, &error))?;
        bytes += text.len();
        texts.push(text);
        if texts.len() == CHUNK_KEYS || bytes >= CHUNK_BYTES {
            chunks.push(chunk(number(), &std::mem::take(&mut texts)));
            bytes = 0;
        }
    }
    if !texts.is_empty() {
        chunks.push(chunk(number(), &texts));
    }
    Ok(chunks)
}

fn chunk(number: u64, texts: &[String]) -> (u64, LedgerWrite) {
    (number, LedgerWrite { name: chunk_name(number), body: Some(format!("[{}]", texts.join(","))) })
}

fn chunk_name(number: u64) -> String {
    format!("{DIRTY}{number:010}")
}

/// The number of a chunk, and its keys.
pub(super) fn chunk_of(context: &Context<'_>, name: &str, body: &str) -> Result<(u64, Vec<TableKey>), Halt> {
    let number = name.trim_start_matches(DIRTY).parse().map_err(|error| unreadable(context, name, &error))?;
    Ok((number, parse(context, name, body)?))
}

/// Deletes chunks.
pub(super) async fn delete_chunks(context: &Context<'_>, numbers: &[u64]) -> Result<(), Halt> {
    let gone = |number: &u64| LedgerWrite { name: chunk_name(*number), body: None };
    write(context, &numbers.iter().map(gone).collect::<Vec<_>>()).await
}

fn unwritable(name: &str, error: &serde_json::Error) -> Halt {
    Halt::Failed(OpError::new(ErrorKind::Failed, format!("document {name} cannot be written as JSON: {error}")))
}
