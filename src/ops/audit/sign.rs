//! Signing off: a root over the ends of all chains.
//!
//! Constraints kept: the root comes last, so that a crash leaves pages that nobody refers to; each run writes pages of its
//! own, so that of two at once neither spoils what the other's root was made over; and of two at once one wins.

use crate::domain::audit::root::{HeadsDigest, Pages, Root, SealedRoot, page_set};
use crate::domain::audit::{Actor, Head, Stamp, Subject};
use crate::domain::ids::Digest;
use crate::ops::{ErrorKind, OpError, World};
use crate::ports::tenants::StoredRoot;
use crate::ports::{CallErrorKind, Called};

use super::checked;
use super::heads::CurrentHeads;

/// Heads in one page: at most some 270 bytes each, and an item holds 400 KB (DynamoDB Developer Guide, "Quotas").
pub const HEADS_PAGE: usize = 1_000;

/// Signs off the log as it is: gives the root, and the digest to keep elsewhere.
pub async fn sign(world: &World, actor: Actor, note: Option<String>) -> Result<(Root, Digest), OpError> {
    let stored = world.audit.roots().await?;
    let roots = checked(&stored);
    if let Some(flaw) = roots.flaws.first() {
        let message = format!("the roots are broken, and none is made over them: {}", flaw.message);
        return Err(OpError::new(ErrorKind::Failed, message).hint("`cellctl audit verify` names everything"));
    }
    let before = stored.last().map(|root| Head { seq: root.seq, hash: root.hash.clone() });
    let number = before.as_ref().map_or(1, |head| head.seq + 1);
    let pages = write_pages(world, page_set(number, world.clock.random())).await?;
    let stamp = Stamp { at_ms: world.clock.now_ms(), actor };
    let sealed = SealedRoot::next(before.as_ref(), &stamp, note, pages);
    if append(world, &sealed).await? {
        return Ok((sealed.root, sealed.hash));
    }
    let message = format!("somebody else signed the audit log at the same time: root {number} is theirs");
    Err(OpError::new(ErrorKind::Failed, message)
        .hint("`cellctl audit roots` shows it; sign again if you need your own"))
}

/// Stores the ends of all chains, page by page.
async fn write_pages(world: &World, set: u64) -> Called<Pages> {
    let mut heads = CurrentHeads::begin(world).await?;
    let mut digest = HeadsDigest::default();
    let mut page: Vec<(Subject, Head)> = Vec::with_capacity(HEADS_PAGE);
    let mut pages = 0;
    while let Some(current) = heads.next().await? {
        if let Some(error) = current.unreadable {
            return Err(error);
        }
        let Some(head) = current.head else { continue };
        digest.add(&current.subject, &head);
        page.push((current.subject, head));
        if page.len() == HEADS_PAGE {
            world.audit.put_heads(set, pages, &page).await?;
            page.clear();
            pages += 1;
        }
    }
    if !page.is_empty() {
        world.audit.put_heads(set, pages, &page).await?;
        pages += 1;
    }
    let (subjects, digest) = digest.finish();
    Ok(Pages { set, pages, subjects, digest })
}

/// Appends the root; false when somebody else has its number. A lost answer is read back.
async fn append(world: &World, sealed: &SealedRoot) -> Called<bool> {
    let stored = StoredRoot { seq: sealed.root.seq, text: sealed.text.clone(), hash: sealed.hash.clone() };
    match world.audit.append_root(&stored).await {
        Err(error) if error.kind == CallErrorKind::InDoubt => {
            let there = world.audit.roots().await?.into_iter().find(|root| root.seq == stored.seq);
            there.map(|root| root == stored).ok_or(error)
        }
        appended => appended,
    }
}
