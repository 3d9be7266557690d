//! The artifact bucket behind the `Artifacts` port.
//!
//! Constraint kept: keys carry the content's digest, so that an object that is there is the right one and is never
//! written again.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;

use crate::domain::fleet::Place;
use crate::ports::{Artifacts, CallErrorKind, Called};

use super::call::{Call, Caller};
use super::clients::Clients;

/// The adapter.
pub struct S3Artifacts {
    clients: Arc<Clients>,
    caller: Caller,
}

impl S3Artifacts {
    /// An adapter over these clients.
    pub fn new(clients: Arc<Clients>, caller: Caller) -> Self {
        Self { clients, caller }
    }
}

fn call(operation: &'static str, bucket: &str, key: &str) -> Call {
    Call { operation, subject: format!("s3://{bucket}/{key}"), rate_of: None }
}

#[async_trait]
impl Artifacts for S3Artifacts {
    async fn exists(&self, place: &Place, bucket: &str, key: &str) -> Called<bool> {
        let clients = self.clients.of(place).await;
        let send = || clients.s3.head_object().bucket(bucket).key(key).send();
        match self.caller.call(call("s3:GetObject", bucket, key), send).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == CallErrorKind::NotFound => Ok(false),
            // Without s3:ListBucket the service answers 403 for what is not there; the put is conditional anyway.
            Err(error) if matches!(error.kind, CallErrorKind::Denied | CallErrorKind::Invalid) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn put(&self, place: &Place, bucket: &str, key: &str, bytes: Vec<u8>) -> Called<()> {
        let clients = self.clients.of(place).await;
        let send = || {
            let body = ByteStream::from(bytes.clone());
            clients.s3.put_object().bucket(bucket).key(key).if_none_match("*").body(body).send()
        };
        match self.caller.call(call("s3:PutObject", bucket, key), send).await {
            // Somebody else stored the same content first.
            Err(error) if error.kind == CallErrorKind::Conflict => Ok(()),
            other => other.map(|_| ()),
        }
    }

    fn url(&self, place: &Place, bucket: &str, key: &str) -> String {
        let region = place.region.as_str();
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        // The bucket in the path: CloudFormation takes both forms, and the emulators only this one.
        format!("https://s3.{region}.{domain}/{bucket}/{key}")
    }
}
