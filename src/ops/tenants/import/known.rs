//! What the map knows of many tenants at once.
//!
//! Constraint kept: consistent reads. The rows of an import mostly name tenants that are new, and whose names lie close
//! together: then one query for each partition, from the first name to the last, costs far less than asking for every
//! name. Where the map turns out to be dense between them, the names are asked for after all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::domain::ids::TenantId;
use crate::domain::tenant::Entry;
use crate::ports::Called;
use crate::ports::tenants::TenantMap;

/// Partitions read at a time.
const PARTITIONS: usize = 8;
/// Fewer names than this are asked for one by one: two calls at the most.
const NAMES_MIN: usize = 200;
/// Entries of a partition's first page, most of which lie behind the last name where all tenants are new.
const FIRST_PAGE: u32 = 16;
/// Entries of its other pages.
const PAGE: u32 = 500;

/// The entries of these tenants; one without an entry is absent.
pub(super) async fn known(map: &Arc<dyn TenantMap>, tenants: &[TenantId]) -> Called<BTreeMap<TenantId, Entry>> {
    if tenants.len() < NAMES_MIN {
        return map.entries(tenants).await;
    }
    let mut partitions: BTreeMap<u8, BTreeSet<TenantId>> = BTreeMap::new();
    for tenant in tenants {
        partitions.entry(tenant.bucket()).or_default().insert(tenant.clone());
    }
    let found = stream::iter(partitions).map(|(bucket, names)| partition(map, bucket, names));
    let found: Vec<BTreeMap<TenantId, Entry>> = found.buffer_unordered(PARTITIONS).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn partition(
    map: &Arc<dyn TenantMap>,
    bucket: u8,
    names: BTreeSet<TenantId>,
) -> Called<BTreeMap<TenantId, Entry>> {
    if let Some(found) = between(map, bucket, &names).await? {
        return Ok(found);
    }
    let names: Vec<TenantId> = names.into_iter().collect();
    map.entries(&names).await
}

/// The entries of the names, from all that lie between the first and the last. None where there are many more of those,
/// or where one cannot be read.
async fn between(
    map: &Arc<dyn TenantMap>,
    bucket: u8,
    names: &BTreeSet<TenantId>,
) -> Called<Option<BTreeMap<TenantId, Entry>>> {
    let (Some(first), Some(last)) = (names.first(), names.last()) else { return Ok(Some(BTreeMap::new())) };
    let most = 2 * names.len() + PAGE as usize;
    let (mut found, mut looked, mut limit) = (BTreeMap::new(), 0, FIRST_PAGE);
    let mut after = before(first);
    loop {
        let page = map.page(bucket, after.as_ref(), limit, None).await?;
        looked += page.entries.len();
        if !page.unreadable.is_empty() || looked > most {
            return Ok(None);
        }
        let ended = page.next.as_ref().is_none_or(|next| next >= last);
        let wanted = page.entries.into_iter().filter(|entry| names.contains(&entry.tenant));
        found.extend(wanted.map(|entry| (entry.tenant.clone(), entry)));
        if ended {
            return Ok(Some(found));
        }
        (after, limit) = (page.next, PAGE);
    }
}

/// A name that sorts before another, with little in between: the same without its last character.
fn before(name: &TenantId) -> Option<TenantId> {
    let text = name.as_str();
    text[..text.len() - 1].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_before_is_a_name_and_is_before() {
        for (name, wanted) in [("t-01", Some("t-0")), ("ab", Some("a")), ("a", None), ("a.b", Some("a."))] {
            let name: TenantId = name.parse().expect("valid");
            let found = before(&name);
            assert_eq!(found.as_ref().map(TenantId::as_str), wanted);
            assert!(found.is_none_or(|found| found < name));
        }
    }
}
