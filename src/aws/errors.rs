//! What an error of the SDK means.
//!
//! Owns: the mapping from error codes, HTTP statuses and broken connections to `CallErrorKind`. Constraint kept: a
//! request whose answer never came is in doubt unless it certainly was not sent.
//! Source of the codes: "Common errors" in the API references of CloudFormation, DynamoDB, S3, SQS and STS.

use aws_sdk_cloudformation::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::ports::CallErrorKind;

/// What went wrong with one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What it means.
    pub(crate) kind: CallErrorKind,
    /// What the service or the connection said.
    pub(crate) message: String,
    /// Whether trying again may help.
    pub(crate) retry: Retry,
}

/// Why trying again may help. Throttles are told by their kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// It does not.
    No,
    /// The service or the connection failed.
    Failed,
    /// Another request is at the same items right now; nothing is wrong with either.
    Collided,
}

const THROTTLED: [&str; 10] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "BandwidthLimitExceeded",
    "PriorRequestNotComplete",
    "SlowDown",
];
const CREDENTIALS: [&str; 12] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "UnrecognizedClientException",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "AuthFailure",
    "TokenRefreshRequired",
];
const DENIED: [&str; 5] =
    ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized", "OptInRequired"];

/// What stands in the error of a request that was held back right before it was sent, by an interceptor of cellctl's own.
pub(crate) const HELD_BACK: &str = "held back before it was sent";

/// Tells what an error of the SDK means.
pub(crate) fn failure<E>(error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16();
            service_failure(context.err().code(), context.err().message(), status)
        }
        SdkError::TimeoutError(_) => in_doubt("the call timed out"),
        SdkError::ResponseError(context) if context.raw().status().as_u16() >= 500 => {
            let status = context.raw().status().as_u16();
            service_failure(None, None, status)
        }
        SdkError::ResponseError(_) => in_doubt(&text_of(error)),
        _ => connection_failure(&text_of(error)),
    }
}

fn service_failure(code: Option<&str>, message: Option<&str>, status: u16) -> Failure {
    let code = code.unwrap_or_default();
    let text = message.unwrap_or_default();
    let kind = kind_of(code, text, status);
    let collided = code == "TransactionConflictException"
        || (text.contains("TransactionConflict") && !text.contains("ConditionalCheckFailed"));
    // The first of two equal requests is still at work; the repeat will be answered with its outcome.
    let unfinished = code == "TransactionInProgressException";
    let retry = match kind {
        _ if collided || unfinished => Retry::Collided,
        CallErrorKind::Throttled => Retry::No,
        _ if status >= 500 => Retry::Failed,
        _ => Retry::No,
    };
    let message = match (code, text) {
        ("", "") => format!("HTTP status {status} without an explanation"),
        ("", text) => text.to_owned(),
        (code, "") => code.to_owned(),
        (code, text) => format!("{text} ({code})"),
    };
    Failure { kind, message, retry }
}

fn kind_of(code: &str, text: &str, status: u16) -> CallErrorKind {
    if THROTTLED.contains(&code) || status == 429 || text.contains("Rate exceeded") {
        return CallErrorKind::Throttled;
    }
    if code == "TransactionCanceledException"
        && (text.contains("ThrottlingError") || text.contains("ProvisionedThroughput"))
    {
        return CallErrorKind::Throttled;
    }
    if CREDENTIALS.contains(&code) {
        return CallErrorKind::Credentials;
    }
    if DENIED.contains(&code) || text.contains("is not authorized to perform") {
        return CallErrorKind::Denied;
    }
    if code == "TransactionCanceledException" && is_unwritable(text) {
        return CallErrorKind::Invalid;
    }
    match code {
        "AlreadyExistsException"
        | "BucketAlreadyOwnedByYou"
        | "ResourceInUseException"
        | "TokenAlreadyExistsException" => CallErrorKind::AlreadyExists,
        "ConditionalCheckFailedException"
        | "TransactionCanceledException"
        | "TransactionConflictException"
        | "PreconditionFailed"
        | "ConditionalRequestConflict"
        | "InvalidChangeSetStatus"
        | "OperationInProgressException" => CallErrorKind::Conflict,
        "TransactionInProgressException" => CallErrorKind::InDoubt,
        "LimitExceeded" | "LimitExceededException" => CallErrorKind::LimitExceeded,
        "ResourceNotFoundException"
        | "ChangeSetNotFound"
        | "ChangeSetNotFoundException"
        | "NoSuchKey"
        | "NoSuchBucket"
        | "NotFound"
        | "AWS.SimpleQueueService.NonExistentQueue"
        | "QueueDoesNotExist"
        | "NoSuchResourceException" => CallErrorKind::NotFound,
        _ if text.contains("does not exist") => CallErrorKind::NotFound,
        _ if text.contains("No updates are to be performed") => CallErrorKind::NoChanges,
        _ if status == 404 => CallErrorKind::NotFound,
        _ if status >= 500 => CallErrorKind::InDoubt,
        _ if (400..500).contains(&status) => CallErrorKind::Invalid,
        _ => CallErrorKind::Other,
    }
}

/// Whether a transaction was cancelled for what one of its items is (`ValidationError`, for one), and not for what
/// somebody else did: then the same would be refused again. The reasons stand in the text in the order of the items.
fn is_unwritable(text: &str) -> bool {
    let list = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    let reasons: Vec<&str> = list.map_or("", |(reasons, _)| reasons).split(',').map(str::trim).collect();
    let others_did = |reason: &&str| matches!(*reason, "ConditionalCheckFailed" | "TransactionConflict");
    !reasons.iter().any(others_did) && reasons.iter().any(|reason| !matches!(*reason, "" | "None"))
}

/// Errors of the connection, told apart by their text: the SDK gives no better.
fn connection_failure(text: &str) -> Failure {
    let lower = text.to_lowercase();
    let has = |needles: &[&str]| needles.iter().any(|needle| lower.contains(needle));
    if has(&["credential", "no providers in chain", "identity", "sso session", "token has expired"]) {
        return Failure { kind: CallErrorKind::Credentials, message: text.to_owned(), retry: Retry::No };
    }
    if has(&[
        "connection refused",
        "dns error",
        "failed to lookup",
        "network is unreachable",
        "certificate",
        "connecttimeout",
    ]) {
        return Failure { kind: CallErrorKind::Unreachable, message: text.to_owned(), retry: Retry::Failed };
    }
    if has(&[HELD_BACK]) {
        return Failure { kind: CallErrorKind::Conflict, message: text.to_owned(), retry: Retry::No };
    }
    if has(&["missing a region", "failed to construct"]) {
        return Failure { kind: CallErrorKind::Invalid, message: text.to_owned(), retry: Retry::No };
    }
    in_doubt(text)
}

fn in_doubt(text: &str) -> Failure {
    Failure { kind: CallErrorKind::InDoubt, message: format!("no answer: {text}"), retry: Retry::Failed }
}

/// The error with its causes, on one line.
fn text_of<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: std::error::Error + 'static,
{
    let mut parts: Vec<String> = Vec::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(current) = cause {
        let text = current.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        cause = current.source();
    }
    if parts.is_empty() { DisplayErrorContext(error).to_string() } else { parts.join(": ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_meaning() {
        let cases = [
            ("Throttling", "Rate exceeded", 400, CallErrorKind::Throttled),
            ("ExpiredToken", "The security token included in the request is expired", 403, CallErrorKind::Credentials),
            (
                "AccessDenied",
                "User: x is not authorized to perform: cloudformation:CreateStack",
                403,
                CallErrorKind::Denied,
            ),
            ("ValidationError", "Stack with id x does not exist", 400, CallErrorKind::NotFound),
            ("ValidationError", "No updates are to be performed.", 400, CallErrorKind::NoChanges),
            ("ValidationError", "Template format error", 400, CallErrorKind::Invalid),
            ("AlreadyExistsException", "Stack [x] already exists", 400, CallErrorKind::AlreadyExists),
            ("", "", 503, CallErrorKind::InDoubt),
        ];
        for (code, text, status, kind) in cases {
            assert_eq!(service_failure(Some(code), Some(text), status).kind, kind, "{code} {text}");
        }
    }

    /// The code of a cancelled transaction and its text with these reasons, as DynamoDB sends them.
    fn cancelled(reasons: &str) -> Failure {
        let text = format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{reasons}]");
        service_failure(Some("TransactionCanceledException"), Some(&text), 400)
    }

    #[test]
    fn a_cancelled_transaction_means_what_its_reasons_say() {
        let conflict = (CallErrorKind::Conflict, Retry::No);
        let cases = [
            ("ConditionalCheckFailed, None", conflict.clone()),
            ("None, ConditionalCheckFailed", conflict.clone()),
            ("TransactionConflict, None", (CallErrorKind::Conflict, Retry::Collided)),
            ("TransactionConflict, ConditionalCheckFailed", conflict),
            ("None, ThrottlingError", (CallErrorKind::Throttled, Retry::No)),
            ("ProvisionedThroughputExceeded, None", (CallErrorKind::Throttled, Retry::No)),
            ("None, ValidationError", (CallErrorKind::Invalid, Retry::No)),
            ("ItemCollectionSizeLimitExceeded, None", (CallErrorKind::Invalid, Retry::No)),
            ("ValidationError, ConditionalCheckFailed", (CallErrorKind::Conflict, Retry::No)),
            ("None, None", (CallErrorKind::Conflict, Retry::No)),
        ];
        for (reasons, expected) in cases {
            let failure = cancelled(reasons);
            assert_eq!((failure.kind, failure.retry), expected, "{reasons}");
        }
        let unfinished = service_failure(Some("TransactionInProgressException"), Some("in progress"), 400);
        assert_eq!((unfinished.kind, unfinished.retry), (CallErrorKind::InDoubt, Retry::Collided));
    }

    #[test]
    fn codes_of_every_service_have_their_meaning() {
        let cases = [
            ("SlowDown", "Please reduce your request rate", 503, CallErrorKind::Throttled),
            ("ThrottlingException", "Rate exceeded", 400, CallErrorKind::Throttled),
            ("", "", 429, CallErrorKind::Throttled),
            ("RequestExpired", "Request has expired", 400, CallErrorKind::Credentials),
            ("SignatureDoesNotMatch", "Signature expired", 403, CallErrorKind::Credentials),
            ("UnrecognizedClientException", "The security token is invalid", 400, CallErrorKind::Credentials),
            ("AccessDeniedException", "no", 400, CallErrorKind::Denied),
            ("PreconditionFailed", "At least one of the pre-conditions", 412, CallErrorKind::Conflict),
            ("OperationInProgressException", "Another Operation on x is in progress", 409, CallErrorKind::Conflict),
            ("LimitExceededException", "Limit for stack has been exceeded", 400, CallErrorKind::LimitExceeded),
            ("ChangeSetNotFound", "ChangeSet [x] does not exist", 404, CallErrorKind::NotFound),
            ("NoSuchBucket", "The specified bucket does not exist", 404, CallErrorKind::NotFound),
            ("InternalFailure", "Internal failure. Please try your request again.", 500, CallErrorKind::InDoubt),
            ("TokenAlreadyExistsException", "A client request token", 400, CallErrorKind::AlreadyExists),
        ];
        for (code, text, status, kind) in cases {
            let failure = service_failure(Some(code), Some(text), status);
            assert_eq!(failure.kind, kind, "{code} {text}");
            assert_eq!(failure.retry == Retry::Failed, status == 500, "{code} {text}");
        }
    }

    #[test]
    fn a_refused_connection_was_not_sent_and_a_reset_one_may_have_been() {
        let refused = connection_failure("dispatch failure: io error: Connection refused (os error 111)");
        assert_eq!(refused.kind, CallErrorKind::Unreachable);
        let reset = connection_failure("dispatch failure: io error: connection reset by peer");
        assert_eq!(reset.kind, CallErrorKind::InDoubt);
    }
}
