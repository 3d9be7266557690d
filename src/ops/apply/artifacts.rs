//! What must be in the artifact bucket before stacks are changed: function code, and templates over 51,200 bytes.
//!
//! Constraint kept: keys carry digests; each object is stored once; code that no longer has the planned digest makes
//! the plan stale instead of going out.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use futures_util::stream;

use crate::domain::fleet::Place;
use crate::domain::ids::Digest;
use crate::domain::plan::{Action, Artifact, Plan, Step};
use crate::ops::World;
use crate::ops::error::{ErrorKind, OpError};
use crate::ops::event::Event;

use super::Options;

/// Largest template that may stand in a request, in bytes (CloudFormation quotas: "template body size in a request").
const INLINE_BYTES_MAX: usize = 51_200;
/// Objects stored at a time.
const STORES: usize = 4;

/// Whether a template goes into the request itself.
pub(super) fn is_inline(body: &str) -> bool {
    body.len() <= INLINE_BYTES_MAX
}

/// Key of a template in the bucket.
pub(super) fn template_key(digest: &Digest) -> String {
    format!("templates/{digest}.yaml")
}

/// Name of the bucket of a place.
pub(super) fn bucket(options: &Options, plan: &Plan, place: &Place) -> String {
    let account = plan.accounts.as_ref().and_then(|a| a.get(&place.key())).map_or("", String::as_str);
    format!("{}-{account}-{}", options.bucket_prefix, place.region)
}

/// Something to store.
enum Content<'a> {
    Code(&'a Artifact),
    Template(&'a str),
}

/// Stores what the steps need and the buckets lack.
pub(crate) async fn store(world: &World, plan: &Plan, steps: &[&Step], options: &Options) -> Result<(), OpError> {
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    let mut jobs = Vec::new();
    for step in steps.iter().filter(|s| s.action != Action::Wait) {
        let place = &step.desired.place;
        let bucket = bucket(options, plan, place);
        let code = step.desired.artifacts.iter().map(|a| (a.key.clone(), Content::Code(a)));
        let template = plan.templates.get(&step.desired.template).filter(|body| !is_inline(body));
        let template = template.map(|body| (template_key(&step.desired.template), Content::Template(body)));
        for (key, content) in code.chain(template) {
            if seen.insert((bucket.clone(), key.clone())) {
                jobs.push((place, bucket.clone(), key, content));
            }
        }
    }
    let stores = stream::iter(jobs.into_iter().map(Ok::<_, OpError>));
    stores
        .try_for_each_concurrent(STORES, |(place, bucket, key, content)| store_one(world, place, bucket, key, content))
        .await
}

async fn store_one(
    world: &World,
    place: &Place,
    bucket: String,
    key: String,
    content: Content<'_>,
) -> Result<(), OpError> {
    if world.artifacts.exists(place, &bucket, &key).await? {
        return Ok(());
    }
    let bytes = match content {
        Content::Template(body) => body.as_bytes().to_vec(),
        Content::Code(artifact) => package(world, artifact)?,
    };
    let size = bytes.len();
    world.artifacts.put(place, &bucket, &key, bytes).await.map_err(|error| missing_bucket(error, place))?;
    world.reporter.report(&Event::ArtifactStored { key, bytes: size });
    Ok(())
}

fn package(world: &World, artifact: &Artifact) -> Result<Vec<u8>, OpError> {
    let (bytes, digest) = world
        .packages
        .package(&artifact.source)
        .map_err(|why| OpError::new(ErrorKind::InvalidInput, format!("cannot package {}: {why}", artifact.source)))?;
    if digest == artifact.digest {
        return Ok(bytes);
    }
    Err(OpError::new(ErrorKind::Stale, format!("the plan is stale: {} has changed since it was made", artifact.source))
        .hint("make a new plan"))
}

fn missing_bucket(error: crate::ports::CallError, place: &Place) -> OpError {
    let missing = error.kind == crate::ports::CallErrorKind::NotFound;
    let error = OpError::from(error);
    if missing {
        return error.hint(format!("run `cellctl init` again: it makes the artifact bucket of {}", place.region));
    }
    error
}
