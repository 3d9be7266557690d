//! Putting items in bulk, without conditions.
//!
//! Constraints kept: the permit is asked after each attempt was signed and right before it is sent, so that the age of
//! the signature bounds for how long the request can count; what the service throttled comes back at once; a request
//! without an answer is told, also where the one after it got one.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::operation::BuildError;

use crate::aws::dynamo::Table;
use crate::aws::errors::{HELD_BACK, failure};
use crate::domain::data::Item;
use crate::ports::data::Permit;
use crate::ports::{CallErrorKind, Called};

use super::values::{attributes, item_of};

const BULK: &str = "dynamodb:BatchWriteItem";

/// Puts items by one request; gives those that the service left.
pub(super) async fn put(table: &Table, items: Vec<Item>, permit: &Arc<dyn Permit>) -> Called<Vec<Item>> {
    if items.is_empty() {
        return Ok(items);
    }
    let client = table.client().await;
    let unanswered = AtomicBool::new(false);
    let send = || async {
        let requests = requests(&items).map_err(SdkError::construction_failure)?;
        let request = client.batch_write_item().request_items(&table.name, requests).customize();
        let answer = request.interceptor(Asks(Arc::clone(permit))).send().await;
        if answer.as_ref().is_err_and(has_no_answer) {
            unanswered.store(true, Ordering::Relaxed);
        }
        answer
    };
    let subject = format!("{} items", items.len());
    let answer = table.caller.call_unless_throttled(table.call(BULK, &subject), send).await;
    if unanswered.load(Ordering::Relaxed) {
        // It may still be on its way, whatever became of the one after it: nothing makes two of them one.
        let why = "a request got no answer, and may count later".to_owned();
        return Err(table.error(CallErrorKind::InDoubt, BULK, &subject, why));
    }
    match answer {
        Ok(answer) => left(table, answer.unprocessed_items.into_iter().flatten().flat_map(|(_, left)| left)),
        Err(error) if error.kind == CallErrorKind::Throttled => Ok(items),
        Err(error) => Err(error),
    }
}

/// Whether nobody knows what became of a request: no more than that it was sent.
fn has_no_answer<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    !matches!(error, SdkError::ServiceError(_)) && failure(error).kind == CallErrorKind::InDoubt
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
