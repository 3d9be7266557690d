//! Proving the log: every chain against what vouches for it, and against the roots.
//!
//! Constraints kept: sixteen chains at a time, a page of each; a chain that is written meanwhile is no finding, because
//! one counts only when two looks in a row have it.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::domain::audit::Subject;
use crate::domain::audit::chain::{ChainCheck, Flaw, FlawKind, Found};
use crate::domain::audit::root::{Root, RootsChecked, flaw};
use crate::domain::ids::Digest;
use crate::ops::{ErrorKind, Event, OpError, World};
use crate::ports::{CallError, Called};

use super::heads::{Known, KnownChains, SignedHeads};
use super::{CHAIN_PAGE, current, head, roots};

/// Chains that are read at the same time.
const CHAINS: usize = 16;
/// Most flaws that a report lists; all are counted.
pub const FLAWS_LISTED_MAX: usize = 1_000;
/// Chains between two signs of life.
const TOLD_EVERY: u64 = 10_000;
/// Most looks at a chain that shows another flaw each time.
const LOOKS_MAX: usize = 5;

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Chains that were looked at.
    pub chains: u64,
    /// Records that were looked at.
    pub records: u64,
    /// Roots that were looked at.
    pub roots: u64,
    /// The roots that the chains were held against.
    pub against: Vec<Against>,
    /// Chains with flaws; the chain of roots counts as one.
    pub broken: u64,
    /// Number of flaws.
    pub found: u64,
    /// The flaws, at most a thousand.
    pub flaws: Vec<Flaw>,
}

/// A root that the chains were held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Against {
    /// Its number.
    pub seq: u64,
    /// Its digest.
    pub digest: Digest,
    /// When it was made, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whether its digest was given, as one that was kept elsewhere.
    pub given: bool,
}

/// What one chain came to.
struct ChainVerified {
    records: u64,
    flaws: Vec<Flaw>,
}

impl Verified {
    fn add(&mut self, flaws: Vec<Flaw>) {
        self.broken += u64::from(!flaws.is_empty());
        self.found += flaws.len() as u64;
        let room = FLAWS_LISTED_MAX - self.flaws.len();
        self.flaws.extend(flaws.into_iter().take(room));
    }
}

/// Verifies the whole log. `kept` is the digest of a root that was kept elsewhere: the roots must have it.
pub async fn all(world: &World, kept: Option<&Digest>) -> Result<Verified, OpError> {
    let (mut verified, against, mut of_roots) = verify_roots(world, kept).await?;
    let known = KnownChains::begin(world, against).await?;
    let known = Arc::new(Mutex::new(known));
    let targets = stream::try_unfold(Arc::clone(&known), |known| async move {
        let next = known.lock().await.next().await?;
        Ok(next.map(|one| (one, known)))
    });
    let mut chains = Box::pin(targets.map_ok(|one| chain(world, one)).try_buffer_unordered(CHAINS));
    while let Some(done) = chains.next().await {
        let done: ChainVerified = done?;
        verified.chains += 1;
        if verified.chains.is_multiple_of(TOLD_EVERY) {
            world.reporter.report(&Event::Noted { message: format!("looked at {} chains", verified.chains) });
        }
        verified.records += done.records;
        verified.add(done.flaws);
    }
    of_roots.extend(known.lock().await.flaws());
    verified.add(of_roots);
    verified.flaws.sort_by(|a, b| (&a.subject, a.seq, a.kind).cmp(&(&b.subject, b.seq, b.kind)));
    Ok(verified)
}

/// Verifies the chain of one subject.
pub async fn one(world: &World, subject: &Subject, kept: Option<&Digest>) -> Result<Verified, OpError> {
    let (mut verified, against, mut of_roots) = verify_roots(world, kept).await?;
    let mut known = Known { subject: subject.clone(), current: None, signed: Vec::new(), unreadable: None };
    for root in against {
        let mut heads = SignedHeads::begin(world, root).await?;
        while let Some((of, vouched)) = heads.next(world).await? {
            if of == *subject {
                known.signed.push(vouched);
            }
        }
        of_roots.extend(heads.flaw());
    }
    known.current = current(world, subject).await?;
    let unheard_of = known.current.is_none() && known.signed.is_empty();
    let done = chain(world, known).await?;
    if unheard_of && done.records == 0 {
        let message = format!("the audit log has nothing of {subject}");
        return Err(OpError::new(ErrorKind::Failed, message).hint("`cellctl audit tail` shows what it has"));
    }
    verified.add(of_roots);
    verified.chains = 1;
    verified.records = done.records;
    verified.add(done.flaws);
    Ok(verified)
}

/// Verifies the roots; gives those to hold the chains against (the one that was kept elsewhere, and the latest), and what
/// is wrong with them.
async fn verify_roots(world: &World, kept: Option<&Digest>) -> Result<(Verified, Vec<Root>, Vec<Flaw>), OpError> {
    let mut checked = roots(world).await?;
    let given = kept.map(|digest| checked.roots.iter().find(|(_, hash)| hash == digest).cloned());
    if let (Some(None), Some(digest)) = (&given, kept) {
        checked.flaws.push(absent(&checked, digest));
    }
    let given = given.flatten();
    let latest = checked.latest().filter(|latest| given.as_ref() != Some(latest)).cloned();
    let mut verified = Verified { roots: checked.roots.len() as u64, ..Verified::default() };
    let mut against = Vec::new();
    for ((root, digest), given) in given.map(|g| (g, true)).into_iter().chain(latest.map(|l| (l, false))) {
        verified.against.push(Against { seq: root.seq, digest, at_ms: root.at_ms, given });
        against.push(root);
    }
    Ok((verified, against, checked.flaws))
}

fn absent(checked: &RootsChecked, digest: &Digest) -> Flaw {
    let last = checked.latest().map_or(0, |(root, _)| root.seq);
    let message =
        format!("none of the {} roots has the digest {digest}: it was rewritten or taken away", checked.roots.len());
    flaw(last, FlawKind::RootAbsent, None, message)
}

/// Verifies a chain, and looks again at what seems wrong: a chain that was written between two calls is read anew, and a
/// flaw counts when two looks in a row have it.
async fn chain(world: &World, mut known: Known) -> Called<ChainVerified> {
    if let Some(error) = &known.unreadable {
        return Ok(ChainVerified { records: 0, flaws: vec![keeper_unreadable(&known.subject, error)] });
    }
    let mut seen = look(world, &known).await?;
    for _ in 1..LOOKS_MAX {
        if seen.flaws.is_empty() {
            break;
        }
        known.current = current(world, &known.subject).await?;
        let mut again = look(world, &known).await?;
        let confirmed = |flaw: &Flaw| seen.flaws.iter().any(|before| before.is_same(flaw));
        if again.flaws.iter().any(confirmed) {
            again.flaws.retain(confirmed);
            return Ok(again);
        }
        seen = again;
    }
    Ok(seen)
}

/// The flaw of a chain that cannot be held against the entry or the load that vouches for it.
fn keeper_unreadable(subject: &Subject, error: &CallError) -> Flaw {
    let message = format!("what the map has of it cannot be read: {}", error.message);
    Flaw { subject: subject.to_string(), kind: FlawKind::Unreadable, seq: None, to: None, message }
}

/// Reads a whole chain once. The head was read before it; where the chain has more, it is read once more.
async fn look(world: &World, known: &Known) -> Called<ChainVerified> {
    let mut vouched = known.signed.clone();
    vouched.extend(known.current.clone());
    let mut check = ChainCheck::new(known.subject.clone(), vouched);
    loop {
        let from = check.last() + 1;
        let page = world.audit.chain(&known.subject, from, CHAIN_PAGE).await?;
        for one in &page {
            check.record(&Found { subject: &one.subject, seq: one.seq, text: &one.text, hash: &one.hash });
        }
        if page.len() < CHAIN_PAGE as usize {
            break;
        }
    }
    let seen = known.current.as_ref().map(|vouched| vouched.head.clone());
    let ahead = check.last() > seen.as_ref().map_or(0, |head| head.seq);
    let now = if ahead { head(world, &known.subject).await? } else { seen };
    Ok(ChainVerified { records: check.records(), flaws: check.finish(now.as_ref()) })
}
