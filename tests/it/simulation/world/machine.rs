//! The machine that a command runs on, and what is of no account to it: who it is, its clock, code and artefacts.

use std::time::Duration;

use async_trait::async_trait;
use cellctl::domain::fleet::Place;
use cellctl::domain::ids::Digest;
use cellctl::ports::{Artifacts, Called, Clock, Identities, Identity, Packages};

use super::Sim;

#[async_trait]
impl Identities for Sim {
    async fn identity(&self, _: &Place) -> Called<Identity> {
        self.call("GetCallerIdentity", |_, _| {
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
impl Artifacts for Sim {
    async fn exists(&self, _: &Place, _: &str, _: &str) -> Called<bool> {
        self.call("HeadObject", |_, _| Ok(true)).await
    }

    async fn put(&self, _: &Place, _: &str, _: &str, _: Vec<u8>) -> Called<()> {
        Ok(())
    }

    fn url(&self, _: &Place, _: &str, _: &str) -> String {
        String::new()
    }
}

impl Packages for Sim {
    fn package(&self, _: &str) -> Result<(Vec<u8>, Digest), String> {
        Err("there is no code".to_owned())
    }
}

#[async_trait]
impl Clock for Sim {
    fn now_ms(&self) -> i64 {
        1_700_000_000_000 + self.ahead_ms + i64::try_from(self.monotonic_ms()).expect("short")
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).expect("short")
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn random(&self) -> f64 {
        let mut state = self.state();
        state.randoms += 1;
        f64::from(state.randoms) / 1e6
    }
}
