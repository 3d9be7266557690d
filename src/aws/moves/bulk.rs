//! Putting items in bulk, without conditions.
//!
//! Constraints kept: the permit is asked after each attempt was signed and right before it is sent, so that the age of
//! the signature bounds for how long the request can count; what the service throttled comes back at once.

use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::{BoxError, SdkError};
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use aws_smithy_types::error::operation::BuildError;

use crate::aws::dynamo::Table;
use crate::aws::errors::HELD_BACK;
use crate::domain::data::Item;
use crate::ports::data::Permit;
use crate::ports::{CallErrorKind, Called};

use super::values::{attributes, item_of};

/// Puts items by one request; gives those that the service left.
pub(super) async fn put(table: &Table, items: Vec<Item>, permit: &Arc<dyn Permit>) -> Called<Vec<Item>> {
    if items.is_empty() {
        return Ok(items);
    }
    let client = table.client().await;
    let send = || async {
        let requests = requests(&items).map_err(SdkError::construction_failure)?;
        let request = client.batch_write_item().request_items(&table.name, requests).customize();
        request.interceptor(Asks(Arc::clone(permit))).send().await
    };
    let call = table.call("dynamodb:BatchWriteItem", &format!("{} items", items.len()));
    match table.caller.call_unless_throttled(call, send).await {
        Ok(answer) => left(table, answer.unprocessed_items.into_iter().flatten().flat_map(|(_, left)| left)),
        Err(error) if error.kind == CallErrorKind::Throttled => Ok(items),
        Err(error) => Err(error),
    }
}

fn requests(items: &[Item]) -> Result<Vec<WriteRequest>, BuildError> {
    let request = |item| {
        let put = PutRequest::builder().set_item(Some(attributes(item))).build()?;
        Ok(WriteRequest::builder().put_request(put).build())
    };
    items.iter().map(request).collect()
}

fn left(table: &Table, requests: impl Iterator<Item = WriteRequest>) -> Called<Vec<Item>> {
    let puts = requests.filter_map(|request| request.put_request);
    puts.map(|put| item_of(put.item).map_err(|unknown| table.unreadable("an item", unknown))).collect()
}

/// Asks the permit right before each attempt is sent.
struct Asks(Arc<dyn Permit>);

impl fmt::Debug for Asks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asks")
    }
}

impl Intercept for Asks {
    fn name(&self) -> &'static str {
        "Asks"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.is_valid() { Ok(()) } else { Err(format!("{HELD_BACK}: the lease is no longer held").into()) }
    }
}
