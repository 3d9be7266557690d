//! Clients of the services for each place, made once each.
//!
//! Owns: how credentials, Regions, roles and endpoints become clients. Constraint kept: credentials and endpoints come
//! from the SDK's own chain, except for a local endpoint, where nothing of the environment is looked at, so that a
//! local run can never reach a real account. Clients that are known are given without waiting: a lock that a request
//! has got but not given back, since nobody polls it just then, would stop every other one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_cloudformation::config::{Credentials, Region as SdkRegion, SharedCredentialsProvider};
use aws_smithy_types::retry::RetryConfig;
use tokio::sync::OnceCell;

use crate::domain::fleet::Place;

/// Where calls go.
#[derive(Debug, Clone)]
pub enum Target {
    /// AWS, or what the environment names, by the SDK's chain.
    Chain,
    /// A local endpoint with dummy credentials.
    Local {
        /// Its address, on loopback.
        endpoint: String,
    },
}

/// Clients by place.
pub struct Clients {
    target: Target,
    base: OnceCell<SdkConfig>,
    places: Mutex<HashMap<Place, Arc<OnceCell<Arc<PlaceClients>>>>>,
}

/// The clients of one place.
pub struct PlaceClients {
    /// CloudFormation.
    pub cloudformation: aws_sdk_cloudformation::Client,
    /// DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Streams of DynamoDB.
    pub streams: aws_sdk_dynamodbstreams::Client,
    /// `CloudWatch`.
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    /// SQS.
    pub sqs: aws_sdk_sqs::Client,
    /// S3.
    pub s3: aws_sdk_s3::Client,
    /// STS.
    pub sts: aws_sdk_sts::Client,
    /// IAM.
    pub iam: aws_sdk_iam::Client,
    /// Service Quotas.
    pub quotas: aws_sdk_servicequotas::Client,
}

/// Time-outs: a call that takes longer than these is in doubt.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_mins(1))
        .build()
}

impl Clients {
    /// Clients for a target; nothing is loaded before the first call.
    pub fn new(target: Target) -> Self {
        Self { target, base: OnceCell::new(), places: Mutex::default() }
    }

    /// The clients of a place.
    pub async fn of(&self, place: &Place) -> Arc<PlaceClients> {
        let known = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(places.entry(place.clone()).or_default())
        };
        Arc::clone(known.get_or_init(|| async { Arc::new(self.make(place).await) }).await)
    }

    async fn make(&self, place: &Place) -> PlaceClients {
        let base = self.base().await;
        let region = SdkRegion::new(place.region.as_str().to_owned());
        let mut config = base.into_builder().region(region.clone()).build();
        if let (Target::Chain, Some(role)) = (&self.target, &place.role_arn) {
            let provider = AssumeRoleProvider::builder(role.clone())
                .session_name("cellctl")
                .region(region)
                .configure(&config)
                .build()
                .await;
            config = config.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build();
        }
        PlaceClients::new(&config)
    }

    async fn base(&self) -> SdkConfig {
        let load = || async {
            match &self.target {
                Target::Chain => chain_config().await,
                Target::Local { endpoint } => local_config(endpoint),
            }
        };
        self.base.get_or_init(load).await.clone()
    }
}

async fn chain_config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .load()
        .await
}

fn local_config(endpoint: &str) -> SdkConfig {
    let dummy = Credentials::new("test", "test", None, None, "cellctl-local");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(dummy))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .build()
}

impl PlaceClients {
    fn new(config: &SdkConfig) -> Self {
        // A local endpoint has no host name for each bucket.
        let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(config.endpoint_url().is_some()).build();
        Self {
            cloudformation: aws_sdk_cloudformation::Client::new(config),
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            streams: aws_sdk_dynamodbstreams::Client::new(config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(config),
            sqs: aws_sdk_sqs::Client::new(config),
            s3: aws_sdk_s3::Client::from_conf(s3),
            sts: aws_sdk_sts::Client::new(config),
            iam: aws_sdk_iam::Client::new(config),
            quotas: aws_sdk_servicequotas::Client::new(config),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::task::coop::{consume_budget, has_budget_remaining};

    use super::*;

    #[tokio::test]
    async fn known_clients_are_given_at_once_also_to_a_task_that_has_used_up_its_turn() {
        let clients = Clients::new(Target::Local { endpoint: "http://127.0.0.1:1".to_owned() });
        let place = Place { region: "eu-central-1".parse().expect("valid"), account: None, role_arn: None };
        let first = clients.of(&place).await;
        while has_budget_remaining() {
            consume_budget().await;
        }
        let second = clients.of(&place).now_or_never().expect("at once");
        assert!(Arc::ptr_eq(&first, &second));
    }
}
