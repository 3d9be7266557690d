//! How many messages a queue holds, for moves and for gates.
//!
//! Constraint kept: a count that is missing is no zero: the queue would look empty.

use aws_sdk_sqs::types::QueueAttributeName;

use crate::domain::fleet::Place;
use crate::ports::{CallError, CallErrorKind, Called};

use super::call::{Call, Caller};

/// Attributes that add up to the depth: messages that wait, that are being worked on, and that are delayed.
const COUNTS: [QueueAttributeName; 3] = [
    QueueAttributeName::ApproximateNumberOfMessages,
    QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    QueueAttributeName::ApproximateNumberOfMessagesDelayed,
];

/// What a queue is called in an error.
pub(super) fn subject(place: &Place, name: &str) -> String {
    format!("queue {name} in {}", place.region)
}

/// About how many messages the queue at an address holds.
pub(super) async fn depth(caller: &Caller, client: &aws_sdk_sqs::Client, url: &str, subject: String) -> Called<u64> {
    let call = Call { operation: "sqs:GetQueueAttributes", subject, rate_of: None };
    let send = || client.get_queue_attributes().queue_url(url).set_attribute_names(Some(COUNTS.to_vec())).send();
    let answer = caller.call(call.clone(), send).await?;
    let said = answer.attributes.unwrap_or_default();
    let count = |name| said.get(name).and_then(|count| count.parse::<u64>().ok());
    let [visible, hidden, delayed] = COUNTS.each_ref().map(count);
    let total = visible.zip(hidden).zip(delayed).map(|((visible, hidden), delayed)| visible + hidden + delayed);
    total.ok_or_else(|| CallError {
        kind: CallErrorKind::Invalid,
        operation: call.operation,
        subject: call.subject,
        message: "the service does not say how many messages it holds".to_owned(),
    })
}
