//! A test's own look at the endpoint, past the program.
//!
//! Constraint kept: it uses the services' clients directly and nothing of the program's adapters.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cloudformation::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_cloudformation::types::{Stack, StackStatus};
use aws_sdk_dynamodb::types::{AttributeDefinition, AttributeValue, KeySchemaElement, TableDescription};
use aws_sdk_dynamodb::types::{BillingMode, KeyType, ScalarAttributeType};
use aws_sdk_sqs::types::QueueAttributeName;

use super::REGION;

/// For how long the endpoint may take over what it has begun.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// An item of a table.
pub(crate) type Item = std::collections::HashMap<String, AttributeValue>;

/// Clients of one account.
#[derive(Debug, Clone)]
pub(crate) struct Aws {
    /// CloudFormation.
    pub(crate) cloudformation: aws_sdk_cloudformation::Client,
    /// DynamoDB.
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    /// SQS.
    pub(crate) sqs: aws_sdk_sqs::Client,
    /// S3.
    pub(crate) s3: aws_sdk_s3::Client,
}

impl Aws {
    /// Clients that reach `endpoint` as `account`.
    pub(crate) fn new(endpoint: &str, account: &str) -> Self {
        let credentials = Credentials::new(account, "test", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Self {
            cloudformation: aws_sdk_cloudformation::Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(s3),
        }
    }

    /// A stack by name or id, gone ones by id only.
    pub(crate) async fn stack(&self, name: &str) -> Option<Stack> {
        let answer = self.cloudformation.describe_stacks().stack_name(name).send().await.ok()?;
        answer.stacks?.into_iter().next()
    }

    /// The status of a stack; none where there is no stack.
    pub(crate) async fn status(&self, name: &str) -> Option<String> {
        self.stack(name).await?.stack_status.map(|status| status.as_str().to_owned())
    }

    /// Waits until a stack is gone.
    pub(crate) async fn until_gone(&self, name: &str) {
        self.until(name, |status| matches!(status, None | Some("DELETE_COMPLETE"))).await;
    }

    /// Waits for a status of a stack.
    pub(crate) async fn until(&self, name: &str, wanted: impl Fn(Option<&str>) -> bool) {
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            let status = self.status(name).await;
            if wanted(status.as_deref()) {
                return;
            }
            assert!(Instant::now() < deadline, "stack {name} is in {status:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Every stack that was ever made in the account, by name: the ids and what became of them.
    pub(crate) async fn all_stacks(&self) -> BTreeMap<String, Vec<(String, StackStatus)>> {
        let mut all: BTreeMap<String, Vec<(String, StackStatus)>> = BTreeMap::new();
        let mut pages = self.cloudformation.list_stacks().into_paginator().send();
        while let Some(page) = pages.next().await {
            for stack in page.expect("lists").stack_summaries.unwrap_or_default() {
                let (name, id) = (stack.stack_name.unwrap_or_default(), stack.stack_id.unwrap_or_default());
                all.entry(name).or_default().push((id, stack.stack_status.expect("a status")));
            }
        }
        all
    }

    /// A table, if it is there.
    pub(crate) async fn table(&self, name: &str) -> Option<TableDescription> {
        self.dynamodb.describe_table().table_name(name).send().await.ok()?.table
    }

    /// Makes a table with keys `pk` and `sk` that no stack knows of.
    pub(crate) async fn make_table(&self, name: &str) {
        let attribute = |name: &str| {
            let attribute = AttributeDefinition::builder().attribute_name(name);
            attribute.attribute_type(ScalarAttributeType::S).build().expect("complete")
        };
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        let request = self.dynamodb.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
        let request = request.attribute_definitions(attribute("pk")).attribute_definitions(attribute("sk"));
        let request = request.key_schema(key("pk", KeyType::Hash).expect("complete"));
        request.key_schema(key("sk", KeyType::Range).expect("complete")).send().await.expect("made");
    }

    /// Writes an item whose attributes are all text.
    pub(crate) async fn put(&self, table: &str, item: &[(&str, &str)]) {
        let item: Item = item.iter().map(|(k, v)| ((*k).to_owned(), AttributeValue::S((*v).to_owned()))).collect();
        self.dynamodb.put_item().table_name(table).set_item(Some(item)).send().await.expect("written");
    }

    /// Sets a number of an item that is there.
    pub(crate) async fn set_number(&self, table: &str, (pk, sk): (&str, &str), attribute: &str, number: i64) {
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let request = self.dynamodb.update_item().table_name(table).key("pk", text(pk)).key("sk", text(sk));
        let request = request.condition_expression("attribute_exists(pk)").update_expression("SET #a = :n");
        let request = request.expression_attribute_names("#a", attribute);
        let number = AttributeValue::N(number.to_string());
        request.expression_attribute_values(":n", number).send().await.expect("written");
    }

    /// Writes the lock of a fleet, in the form of the control table.
    pub(crate) async fn put_lock(&self, table: &str, body: &str, token: u64) {
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let request = self.dynamodb.put_item().table_name(table).item("pk", text("LOCK")).item("sk", text("fleet"));
        let request = request.item("body", text(body)).item("token", AttributeValue::N(token.to_string()));
        request.send().await.expect("written");
    }

    /// All items of a table.
    pub(crate) async fn items(&self, table: &str) -> Vec<Item> {
        let answer = self.dynamodb.scan().table_name(table).consistent_read(true).send().await;
        answer.expect("scanned").items.unwrap_or_default()
    }

    /// An attribute of a queue; none where there is no queue, or no such attribute.
    pub(crate) async fn queue(&self, name: &str, attribute: QueueAttributeName) -> Option<String> {
        let url = self.sqs.get_queue_url().queue_name(name).send().await.ok()?.queue_url?;
        let request = self.sqs.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All);
        request.send().await.ok()?.attributes?.get(&attribute).cloned()
    }

    /// Keys of a bucket, with the number of their versions.
    pub(crate) async fn objects(&self, bucket: &str) -> BTreeMap<String, usize> {
        let mut keys = BTreeMap::new();
        let answer = self.s3.list_object_versions().bucket(bucket).send().await.expect("listed");
        for version in answer.versions.unwrap_or_default() {
            *keys.entry(version.key.unwrap_or_default()).or_default() += 1;
        }
        keys
    }
}
