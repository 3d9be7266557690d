//! What a rollout reaches and nothing depends on: identities, atoms, artifacts, fences, packages.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cellctl::domain::fleet::Place;
use cellctl::domain::ids::{Digest, TenantId};
use cellctl::domain::moves::fence::Shift;
use cellctl::domain::tenant::change::FenceWrite;
use cellctl::domain::tenant::fence::{Fence, FenceTable, Shards};
use cellctl::ports::tenants::{FencePage, Fences};
use cellctl::ports::{Artifacts, Atoms, CallErrorKind, Called, Content, Identities, Identity, Packages};

use super::gate::{Kind, Seat, error};

fn unused<T>() -> Called<T> {
    Err(error(CallErrorKind::Other, "dynamodb:PutItem", "a rollout does not do this"))
}

#[async_trait]
impl Identities for Seat {
    async fn identity(&self, _: &Place) -> Called<Identity> {
        self.call(Kind::Read, "sts:GetCallerIdentity", |_| {
            Ok(Identity { account: "111122223333".to_owned(), arn: "arn:aws:iam::111122223333:user/sim".to_owned() })
        })
        .await
    }

    async fn denied_actions(&self, _: &Place, _: &[&str]) -> Called<Vec<String>> {
        Ok(Vec::new())
    }

    async fn clock_skew(&self, _: &Place) -> Called<i64> {
        Ok(0)
    }

    async fn quota(&self, _: &Place, _: &str, _: &str) -> Called<Option<f64>> {
        Ok(None)
    }
}

#[async_trait]
impl Atoms for Seat {
    async fn table_exists(&self, _: &Place, _: &str) -> Called<bool> {
        self.call(Kind::Read, "dynamodb:DescribeTable", |_| Ok(false)).await
    }

    async fn content(&self, _: &Place, _: &str, _: &str) -> Called<Content> {
        Ok(Content::Perhaps)
    }

    async fn delete_leftover(&self, _: &Place, _: &str, _: &str) -> Called<()> {
        unused()
    }
}

#[async_trait]
impl Artifacts for Seat {
    async fn exists(&self, _: &Place, _: &str, _: &str) -> Called<bool> {
        self.call(Kind::Read, "s3:HeadObject", |_| Ok(true)).await
    }

    async fn put(&self, _: &Place, _: &str, _: &str, _: Vec<u8>) -> Called<()> {
        Ok(())
    }

    fn url(&self, _: &Place, _: &str, _: &str) -> String {
        String::new()
    }
}

impl Packages for Seat {
    fn package(&self, _: &str) -> Result<(Vec<u8>, Digest), String> {
        Err("there is no code".to_owned())
    }
}

#[async_trait]
impl Fences for Seat {
    async fn fences(&self, _: &FenceTable, _: &[TenantId]) -> Called<BTreeMap<TenantId, Fence>> {
        unused()
    }

    async fn shards(&self, _: &FenceTable, _: &[TenantId], _: u8) -> Called<BTreeMap<TenantId, Shards>> {
        unused()
    }

    async fn shift(&self, _: &Shift) -> Called<bool> {
        unused()
    }

    async fn put(&self, _: &FenceWrite) -> Called<bool> {
        unused()
    }

    async fn page(&self, _: &FenceTable, _: Option<&str>) -> Called<FencePage> {
        unused()
    }
}
