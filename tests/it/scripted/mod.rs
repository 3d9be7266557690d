//! The scripted endpoint, seen through the SDK's own client. Constraint kept: retries are off, so that every answer
//! is one that the endpoint gave.

mod change_sets;
mod faults;
mod life;
mod reading;

use std::time::Duration;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::config::{BehaviorVersion, Config, Credentials, Region, retry::RetryConfig};
use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudformation::types::StackEvent;

use crate::support::scripted::{Builder, Scripted};

/// How long an operation on a stack takes here, on a clock that stands still.
const TIME: Duration = Duration::from_mins(1);

const TEMPLATE: &str = r#"
Description: a cell
Parameters:
  Stage: { Type: String, Default: test }
Resources:
  OrdersTable:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties:
      TableName: !Sub "${AWS::StackName}-orders"
      KeySchema: [{ AttributeName: id, KeyType: HASH }]
  OrdersQueue:
    Type: AWS::SQS::Queue
    Properties: { VisibilityTimeout: 30 }
  Worker:
    Type: AWS::Lambda::Function
    Properties:
      Handler: index.handler
      Environment: { Variables: { QUEUE: !Ref OrdersQueue, STAGE: !Ref Stage } }
Outputs:
  Table: { Value: !GetAtt OrdersTable.Arn, Description: of the orders }
  Queue: { Value: !Ref OrdersQueue }
  Literal: { Value: "a < b & c" }
"#;

/// An endpoint whose clock stands still, and a client of it.
fn start(order: impl FnOnce(Builder) -> Builder) -> (Scripted, Client) {
    let endpoint = order(Scripted::builder().standing_clock().stack_time(TIME)).start().expect("starts");
    let client = client(&endpoint, "test", "eu-central-1");
    (endpoint, client)
}

fn client(endpoint: &Scripted, key: &str, region: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint.endpoint())
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new(key, "test", None, None, "test"))
        .retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}

async fn create(client: &Client, name: &str) -> String {
    let sent = client.create_stack().stack_name(name).template_body(TEMPLATE).send().await;
    sent.expect("created").stack_id.expect("has an id")
}

/// Creates a stack and lets it finish.
async fn created(endpoint: &Scripted, client: &Client, name: &str) -> String {
    let id = create(client, name).await;
    endpoint.advance(TIME);
    assert_eq!(endpoint.status(name), Some("CREATE_COMPLETE"));
    id
}

/// Begins an update of the queue.
async fn update(client: &Client, name: &str) {
    let template = TEMPLATE.replace("VisibilityTimeout: 30", "VisibilityTimeout: 60");
    client.update_stack().stack_name(name).template_body(template).send().await.expect("updates");
}

/// Code and message of a refusal.
fn refusal<E: ProvideErrorMetadata, T: std::fmt::Debug>(
    answer: Result<T, SdkError<E, aws_sdk_cloudformation::config::http::HttpResponse>>,
) -> (String, String) {
    let error = answer.expect_err("refused");
    let meta = error.as_service_error().map(|error| (error.code(), error.message()));
    let (code, message) = meta.unwrap_or((Some("no answer"), None));
    (code.unwrap_or_default().to_owned(), message.unwrap_or_default().to_owned())
}

/// All events, oldest first.
async fn events(client: &Client, stack: &str) -> Vec<StackEvent> {
    let pages = client.describe_stack_events().stack_name(stack).into_paginator().send();
    let pages: Vec<_> = pages.collect::<Result<Vec<_>, _>>().await.expect("events");
    let mut events: Vec<StackEvent> =
        pages.into_iter().flat_map(|page| page.stack_events.unwrap_or_default()).collect();
    events.reverse();
    events
}

/// The statuses that a stack went through.
async fn path(client: &Client, stack: &str) -> Vec<String> {
    let events = events(client, stack).await.into_iter();
    let own = events.filter(|event| event.resource_type.as_deref() == Some("AWS::CloudFormation::Stack"));
    own.filter_map(|event| event.resource_status.map(|status| status.as_str().to_owned())).collect()
}
